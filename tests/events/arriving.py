"""One stream at a time, where a test says more with it than with several."""

from medimgr.events.connections import Arrival, take_places
from medimgr.events.exceptions import TooManyStreams


def take_place(arrival: Arrival) -> int:
    """Insert the row of one new stream; return its primary key. Raises TooManyStreams."""
    (place,) = take_places([arrival])
    if isinstance(place, TooManyStreams):
        raise place
    return place

"""Exponential ElGamal, as ElectionGuard uses it: CPU-bound, real, and small enough for a demo.

The group is the 1536-bit one of RFC 3526. The demonstration key's secret stands here in the open:
never encrypt a real ballot with it.
"""

import hashlib
import secrets
from collections.abc import Sequence

PRIME = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
    "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA237327FFFFFFFFFFFFFFFF",
    16,
)
GENERATOR = 2
_EXPONENT_BITS = 256
DEMONSTRATION_SECRET = int.from_bytes(hashlib.sha256(b"medimgr demonstration election").digest(), "big")
DEMONSTRATION_KEY = pow(GENERATOR, DEMONSTRATION_SECRET, PRIME)

Ciphertext = tuple[int, int]


def encrypt(value: int, public_key: int) -> Ciphertext:
    """Return the encryption of a small whole number: some milliseconds of CPU."""
    nonce = secrets.randbits(_EXPONENT_BITS) | 1
    pad = pow(GENERATOR, nonce, PRIME)
    return pad, pow(GENERATOR, value, PRIME) * pow(public_key, nonce, PRIME) % PRIME


def decrypt(ciphertext: Ciphertext, secret: int, largest: int = 1000) -> int:
    """Return the number from 0 to ``largest`` that was encrypted. Raises ValueError if it is none of them."""
    pad, data = ciphertext
    power = data * pow(pad, -secret, PRIME) % PRIME
    candidate = 1
    for value in range(largest + 1):
        if candidate == power:
            return value
        candidate = candidate * GENERATOR % PRIME
    raise ValueError("The ciphertext does not belong to this key.")


def add(one: Ciphertext, other: Ciphertext) -> Ciphertext:
    """Return the encryption of the sum: how a tally is made without opening a ballot."""
    return one[0] * other[0] % PRIME, one[1] * other[1] % PRIME


def tracking_code(ballot_id: str, ciphertexts: Sequence[Ciphertext]) -> str:
    """Return the SHA-256 by which a voter finds the encrypted ballot again."""
    digest = hashlib.sha256(ballot_id.encode())
    for pad, data in ciphertexts:
        digest.update(b"%x,%x;" % (pad, data))
    return digest.hexdigest()

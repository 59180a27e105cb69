#!/bin/sh
# Makes ./configure from configure.ac. Needed only in a checkout; a release tarball has it.
set -eu
cd "$(dirname "$0")"
exec autoreconf -fi -Wall

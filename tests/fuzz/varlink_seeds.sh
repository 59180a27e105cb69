#!/bin/sh
# The stored inputs of the Varlink fuzz target.
exec "${top_builddir:-.}/tests/fuzz/replay_varlink" "${top_srcdir:-.}/tests/fuzz/seeds/varlink"

#!/bin/sh
# The stored inputs of the fuzz target for the answers of a server.
exec "${top_builddir:-.}/tests/fuzz/replay_answers" "${top_srcdir:-.}/tests/fuzz/seeds/answers"

#!/bin/sh
# Every seed through its fuzz target: what once was found stays found. Works with libFuzzer and without.
set -eu

out=$(mktemp)
trap 'rm -f "$out"' EXIT
set -- "$top_srcdir"/tests/fuzz/seeds/*/
echo "1..$#"
n=0
failed=0
for dir; do
	n=$((n + 1))
	target=$(basename "$dir")
	if "$top_builddir/tests/fuzz/fuzz_$target" -runs=0 "$dir" >"$out" 2>&1; then
		echo "ok $n - $target"
	else
		echo "not ok $n - $target"
		tail -n 40 "$out" | sed 's/^/# /'
		failed=1
	fi
done
exit $failed

#!/bin/sh
# The systemd units say nothing that systemd does not understand. Skipped where there is no systemd-analyze.
set -eu

command -v systemd-analyze >/dev/null || { echo "1..0 # SKIP no systemd-analyze"; exit 0; }
echo 1..1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# The units as installed, but with the program of the build tree: `verify` looks whether it is there.
cp "$top_srcdir/conf/carbonfilesd.socket" "$dir"
sed "s|@bindir@|$top_builddir/daemon|" "$top_srcdir/conf/carbonfilesd.service.in" >"$dir/carbonfilesd.service"
if said=$(XDG_RUNTIME_DIR=$dir HOME=$dir systemd-analyze --user --man=no verify \
	"$dir/carbonfilesd.service" "$dir/carbonfilesd.socket" 2>&1) && [ -z "$said" ]; then
	echo "ok 1 - units verify"
else
	echo "not ok 1 - units verify"
	echo "$said" | sed 's/^/# /'
fi

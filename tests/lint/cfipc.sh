#!/bin/sh
# libcfipc: the functions of the header, the symbol map and what the library exports are the same; the header
# compiles in every language it is for; the program in its manual works as printed.
set -u
src=${top_srcdir:-.}
build=${top_builddir:-.}
cc=${CC:-cc}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0
failed=0

result() { # STATUS WHAT
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		failed=1
	fi
}

header=$src/libcfipc/cfipc.h
cat "$src"/libcfipc/cfipc*.h | tr '\n' ' ' | grep -o 'CFIPC_EXPORT [^;]*;' | sed 's/(.*//; s/.*[ *]//' | grep '^cfipc_' | sort >"$dir/header"
sed -n 's/^[[:space:]]*\(cfipc_[a-z0-9_]*\);$/\1/p' "$src/libcfipc/libcfipc.map" | sort >"$dir/map"
nm -D --defined-only "$build/libcfipc/.libs/libcfipc.so" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' |
	sort >"$dir/library"
[ "$(wc -l <"$dir/header")" -gt 30 ]
result $? 'the header declares functions'
diff "$dir/header" "$dir/map" | sed 's/^/# /' >"$dir/out"
cat "$dir/out"
[ ! -s "$dir/out" ]
result $? 'header and symbol map'
diff "$dir/map" "$dir/library" | sed 's/^/# /' >"$dir/out"
cat "$dir/out"
[ ! -s "$dir/out" ]
result $? 'symbol map and library'

{
	echo '#include "cfipc.h"'
	echo '#include <stdio.h>'
	echo '#include <stdlib.h>'
	echo 'int main(void) {'
	sed -n '/^ \* EXAMPLE\.$/,/^ \*\//p' "$header" | sed '1d;$d;s/^ \*//'
	echo '}'
} >"$dir/example.c"
for std in c99 c11 c17; do
	$cc -std=$std -pedantic -Wall -Wextra -Werror -fsyntax-only -x c "$header"
	result $? "the header as $std"
done
if c++ --version >/dev/null 2>&1; then
	for std in c++98 c++17; do
		c++ -std=$std -pedantic -Wall -Wextra -Werror -fsyntax-only -x c++ "$header" 2>"$dir/err" ||
			! sed 's/^/# /' "$dir/err"
		result $? "the header as $std"
	done
else
	result 0 'the header as C++ # SKIP no C++ compiler'
fi
sanitize=
nm -D "$build/libcfipc/.libs/libcfipc.so" | grep -q __asan_init && sanitize=-fsanitize=address,undefined
$cc -std=c99 -Wall -Wextra -I"$src/libcfipc" $sanitize "$dir/example.c" -o "$dir/example" \
	-L"$build/libcfipc/.libs" -lcfipc 2>"$dir/err" || ! sed 's/^/# /' "$dir/err"
result $? 'the example of the manual compiles'
LD_LIBRARY_PATH="$build/libcfipc/.libs" CARBONFILESD_SOCKET=/nonexistent/socket "$dir/example" 2>"$dir/err"
[ $? -eq 3 ] && grep -q '/nonexistent/socket' "$dir/err"
result $? 'and without a daemon says so and ends with 3'
echo "1..$n"
exit $failed

# What a device is, said in lines of key=value. It has to run in dash, bash and
# the sh of busybox, and changes nothing. It comes in on stdin, so nothing that
# it calls may read that.
LC_ALL=C
export LC_ALL
dir=$1
case $dir in
/*) ;;
*) dir=$HOME/${dir#./} ;;
esac
say() { printf '%s=%s\n' "$1" "$2"; }
quiet() { "$@" </dev/null 2>/dev/null; }
free() { df -Pk "$1" 2>/dev/null | tail -n 1; }

# runs says whether a program can be started in a folder: yes, no, or nothing if
# none can be put there.
runs() {
	try=$(mktemp -d "$1/.ota-setup.XXXXXX" 2>/dev/null) || return
	if printf '#!/bin/sh\nexit 0\n' 2>/dev/null >"$try/try" && [ -s "$try/try" ]; then
		chmod 700 "$try/try"
		if quiet "$try/try"; then echo yes; else echo no; fi
	fi
	rm -rf "$try"
}

echo ota-looks-from-here
say system "$(uname -s)"
say machine "$(uname -m)"
say kernel "$(uname -r)"
say package "$(quiet dpkg --print-architecture)"
bits=$(quiet getconf LONG_BIT)
if [ -z "$bits" ]; then
	case $(quiet dd if=/bin/sh bs=1 skip=4 count=1 | od -An -tx1) in
	*01*) bits=32 ;;
	*02*) bits=64 ;;
	esac
fi
say bits "$bits"
if [ -r /proc/cpuinfo ]; then
	if grep -qiE '^features.*[[:space:]](vfp|fp)' /proc/cpuinfo; then say float yes
	elif grep -qi '^features' /proc/cpuinfo; then say float no; fi
fi

say user "$(id -un)"
say uid "$(id -u)"
say group "$(id -g)"
say home "$HOME"
if [ "$(id -u)" = 0 ]; then
	say root root
else
	root=none
	for with in sudo doas; do
		if command -v $with >/dev/null 2>&1; then
			say with $with
			root=asks
			quiet $with -n true >/dev/null && root=free
			break
		fi
	done
	say root $root
fi

if [ -d /run/systemd/system ]; then
	say manager systemd
	[ ! -d "${XDG_RUNTIME_DIR:-/run/user/$(id -u)}/systemd" ] || say own yes
elif [ -e /sbin/openrc-run ]; then say manager openrc; fi

say dir "$dir"
above=$dir
while [ ! -e "$above" ] && [ "$above" != / ]; do above=$(dirname "$above"); done
if [ -d "$dir" ]; then say dir_is folder
elif [ -e "$dir" ]; then say dir_is file
elif [ -d "$above" ] && [ -w "$above" ]; then say dir_is none
else say dir_is closed; fi
say dir_runs "$(runs "$above")"
say room "$(free "$above")"

real=$(cd "$dir" 2>/dev/null && pwd -P)
if [ -n "$real" ]; then
	if quiet grep -qF "\"dir\": \"$real\"" /etc/ota/*.json; then say service system
	elif quiet grep -qF "\"dir\": \"$real\"" "$HOME"/.config/ota/*.json; then say service user; fi
fi
answers=no
for ota in /usr/local/bin/ota /usr/bin/ota "$HOME/.local/bin/ota"; do
	[ -f "$ota" ] || continue
	say ota "$ota"
	say version "$(quiet "$ota" version)"
	say sum "$(quiet sha256sum "$ota")"
	if [ -n "$real" ] && quiet "$ota" -C "$real" status --json | grep -q '"running": true'; then answers=yes; fi
done
say answers $answers

for place in "$HOME" /var/tmp /tmp; do
	say place "$place"
	say runs "$(runs "$place")"
	say free "$(free "$place")"
done
echo ota-has-looked

# What is done on the device, by whoever may: one call, so that sudo asks once.
# MODE DIR FILE INSTALLED OWNER TO: FILE is the new ota, INSTALLED the one that
# is there already; each may be empty.
set -e
mode=$1 dir=$2 file=$3 installed=$4 owner=$5 to=$6
user=
case $mode in *user) user=--user ;; esac
runs() { "$1" -C "$dir" status --json </dev/null 2>/dev/null | grep -q '"running": true'; }

case $mode in uninstall*)
	exec "$installed" uninstall $user "$dir"
	;;
esac

if [ ! -d "$dir" ]; then
	mkdir -p "$dir"
	[ "$(id -u)" != 0 ] || chown "$owner" "$dir"
fi
if [ -n "$installed" ] && [ -n "$file" ] && { [ "$mode" != bare ] || runs "$installed"; }; then
	(cd "$dir" && "$installed" self-update "$file")
elif [ "$mode" = bare ] && [ -n "$file" ]; then
	mkdir -p "$(dirname "$to")"
	cp "$file" "$to.new"
	chmod 755 "$to.new"
	sync
	mv -f "$to.new" "$to"
fi
[ "$mode" != bare ] || exit 0
binary=${installed:-$file}
"$binary" install $user "$dir"
runs "$binary" || {
	echo "ota: it is installed, and does not answer in $dir" >&2
	exit 1
}

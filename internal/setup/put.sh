# Takes a file from stdin into a folder of its own, and prints where: PLACE SIZE
# SUM. What an earlier call has left there, cut off, goes.
set -e
find "$1" -maxdepth 1 -name '.ota-setup.*' -user "$(id -u)" -mtime +0 -exec rm -rf {} + 2>/dev/null || :
folder=$(mktemp -d "$1/.ota-setup.XXXXXX")
trap 'rm -rf "$folder"; exit 1' HUP INT TERM
bad() {
	rm -rf "$folder"
	echo "$1" >&2
	exit 1
}
cat >"$folder/ota" || bad "the file could not be written"
[ "$(wc -c <"$folder/ota")" -eq "$2" ] || bad "the file has not arrived whole"
if command -v sha256sum >/dev/null; then
	case $(sha256sum "$folder/ota") in
	"$3"*) ;;
	*) bad "the file has arrived as another one" ;;
	esac
fi
chmod 755 "$folder/ota"
said=$("$folder/ota" version </dev/null) || bad "the file is no program for this machine"
echo "ota-is-at $folder $said"

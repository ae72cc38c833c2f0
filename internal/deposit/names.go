package deposit

import (
	"path"
	"strings"
	"time"
)

// class is what a name says about a file.
type class string

const (
	ordinary class = "ordinary"
	ignored  class = "ignored"  // never counts and stays in deposit/
	transfer class = "transfer" // a program is going to write or rename it
	leftover class = "leftover" // an editor's or a system's, made beside the real file
	holder   class = "holder"   // deposit/.hold
)

// HoldName is the file at the top of deposit/ that holds the upload up.
const HoldName = ".hold"

// How long a name of an unfinished file holds the rest up while the file does
// not change. Leftovers often stay for good; transfers are resumed the next day.
const (
	leftoverPatience = 60 * time.Second
	transferPatience = 24 * time.Hour
)

// patience is how long a file of this class may hold an upload up.
func (c class) patience() time.Duration {
	if c == leftover {
		return leftoverPatience
	}
	return transferPatience
}

// unfinished reports whether a file of this class is not to be taken because
// something is going to happen to it.
func (c class) unfinished() bool { return c == transfer || c == leftover }

// classify tells what the last name of a path says. beside reports whether
// there is another file of a given name in the same folder.
func classify(at string, kind Kind, beside func(name string) bool) class {
	name := path.Base(at)
	switch {
	case at == HoldName:
		return holder
	case isIgnored(name):
		return ignored
	case kind == KindFolder:
		return classifyFolder(name)
	case isTransfer(name) || isRsync(name, beside) || isSed(name):
		return transfer
	case isLeftover(name):
		return leftover
	default:
		return ordinary
	}
}

// Takes tells whether a file or folder at a path would be taken out of deposit/,
// and does not have one of the names that are ignored there, or waited for.
// beside reports whether there is another file of a given name in its folder.
func Takes(path string, kind Kind, beside func(name string) bool) bool {
	return classify(path, kind, beside) == ordinary
}

// IsPlaceholder tells the names that stand in a folder for nothing else, or for
// the system that made them: they are never taken.
func IsPlaceholder(name string) bool { return isIgnored(name) }

func isIgnored(name string) bool {
	switch name {
	case ".keep", ".gitkeep", ".DS_Store", "Thumbs.db", "desktop.ini":
		return true
	}
	return false
}

// classifyFolder knows the folders in which rsync keeps unfinished files under
// their final names (--delay-updates, and --partial-dir as its manual has it).
func classifyFolder(name string) class {
	if name == ".~tmp~" || name == ".rsync-partial" {
		return transfer
	}
	return ordinary
}

// shape is how a name begins and ends.
type shape struct{ prefix, suffix string }

func (s shape) matches(name string) bool {
	return len(name) >= len(s.prefix)+len(s.suffix) &&
		strings.HasPrefix(name, s.prefix) && strings.HasSuffix(name, s.suffix)
}

// transfers are the names of files that a program still writes, or holds to be
// in use (locks and swap files). A name that only begins with a dot is not one:
// .env is to be deployed.
var transfers = []shape{
	{"", ".filepart"},       // WinSCP
	{"", ".partial"},        // rclone 1.63 and later
	{"", ".part"},           // browsers, KDE, yt-dlp
	{"", ".crdownload"},     // Chromium
	{".in.", ""},            // proftpd's HiddenStores, lftp's use-temp-file
	{".syncthing.", ".tmp"}, // Syncthing
	{"~syncthing~", ".tmp"}, // Syncthing on Windows
	{".giosave", ""},        // GIO
	{".goutputstream-", ""}, // GIO, GNOME
	{"", "___jb_tmp___"},    // JetBrains
	{"", "___jb_old___"},    // JetBrains
	{".~", ""},              // LibreOffice's locks, Dropbox
	{"~$", ""},              // Microsoft Office's locks
	{".#", ""},              // Emacs's locks
}

// leftovers are the names that editors and systems make beside a real file.
var leftovers = []shape{
	{"._", ""},   // macOS: what does not fit into the file
	{"#", "#"},   // Emacs's auto-save
	{".nfs", ""}, // an NFS client's: removed while open
	{"", "~"},    // backups
}

// vimProbe is the file that vim makes to see whether it may write to a folder.
const vimProbe = "4913"

func isTransfer(name string) bool {
	for _, shape := range transfers {
		if shape.matches(name) {
			return true
		}
	}
	return isSwap(name)
}

// isSwap knows vim's swap files: .swp, .swo, … and .swx while it makes one.
// Flash files without a dot in front (game.swf, lib.swc) are not.
func isSwap(name string) bool {
	extension := path.Ext(name)
	if len(extension) != len(".swp") || !strings.HasPrefix(extension, ".sw") {
		return false
	}
	return name[0] == '.' || (extension != ".swf" && extension != ".swc")
}

func isLeftover(name string) bool {
	for _, shape := range leftovers {
		if shape.matches(name) {
			return true
		}
	}
	return name == vimProbe
}

// randomLength is how many characters mkstemp(3) makes up.
const randomLength = 6

// isRsync knows rsync's .NAME.XXXXXX. A file NAME beside it is the proof, but
// at a first upload there is none; then the X have to look made up, so that
// .bashrc.backup and .env.stage2 are taken: of 62 characters one would hardly
// get six small letters by chance, nor, for a NAME without a dot, no capital.
func isRsync(name string, beside func(string) bool) bool {
	cut := len(name) - randomLength - 1
	if cut < 2 || name[0] != '.' || name[cut] != '.' {
		return false
	}
	original, random := name[1:cut], name[cut+1:]
	found, ok := charactersOf(random)
	switch {
	case !ok:
		return false
	case beside(original):
		return true
	case strings.Contains(original, "."):
		return found.capitals+found.digits > 0
	default:
		return found.capitals > 0 && found.capitals < randomLength
	}
}

// isSed knows sed -i's sedXXXXXX; "sedentary" is a word.
func isSed(name string) bool {
	random, isSed := strings.CutPrefix(name, "sed")
	if !isSed || len(random) != randomLength {
		return false
	}
	found, ok := charactersOf(random)
	return ok && found.capitals+found.digits > 0
}

type characters struct{ capitals, digits int }

// charactersOf counts what mkstemp could have made; ok is false for a text
// that holds anything else.
func charactersOf(text string) (found characters, ok bool) {
	for _, c := range []byte(text) {
		switch {
		case c >= 'A' && c <= 'Z':
			found.capitals++
		case c >= '0' && c <= '9':
			found.digits++
		case c < 'a' || c > 'z':
			return found, false
		}
	}
	return found, true
}

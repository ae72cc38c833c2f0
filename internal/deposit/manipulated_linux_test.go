package deposit

import (
	"archive/tar"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"ota/internal/admission"
	"ota/internal/parcel"
	"ota/internal/reason"
	"ota/internal/sshsig"
)

// signer is somebody with an ssh key.
type signer struct {
	name string
	key  ed25519.PrivateKey
}

func signerOf(name string) signer {
	seed := sha256.Sum256([]byte(name))
	return signer{name, ed25519.NewKeyFromSeed(seed[:])}
}

var anna, mallory = signerOf("anna"), signerOf("mallory")

func wired(parts ...string) (all []byte) {
	for _, part := range parts {
		all = binary.BigEndian.AppendUint32(all, uint32(len(part)))
		all = append(all, part...)
	}
	return all
}

func (s signer) public() string {
	return string(wired("ssh-ed25519", string(s.key.Public().(ed25519.PublicKey))))
}

func (s signer) line() string {
	return s.name + " ssh-ed25519 " + base64.StdEncoding.EncodeToString([]byte(s.public())) + "\n"
}

// sign does what "ssh-keygen -Y sign -n NAMESPACE" does.
func (s signer) sign(manifest, namespace string) string {
	sum := sha512.Sum512([]byte(manifest))
	signed := "SSHSIG" + string(wired(namespace, "", "sha512", string(sum[:])))
	blob := "SSHSIG\x00\x00\x00\x01" + string(wired(s.public(), namespace, "", "sha512",
		string(wired("ssh-ed25519", string(ed25519.Sign(s.key, []byte(signed)))))))
	return "-----BEGIN SSH SIGNATURE-----\n" + base64.StdEncoding.EncodeToString([]byte(blob)) + "\n-----END SSH SIGNATURE-----\n"
}

// attacked is a device that trusts anna, has had her release 5, and to which
// release 6 comes on a way that somebody else has a hand in.
type attacked struct {
	*ground
	files               map[string]string
	manifest, signature string
}

var expiry = time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)

func newAttacked(t *testing.T) *attacked {
	own := t.TempDir()
	keeper := admission.New(admission.Options{
		Signers: filepath.Join(own, "allowed_signers"), State: filepath.Join(own, "trust.json"), App: "garden", Arch: "arm",
		Clock:   func() sshsig.Clock { return sshsig.Clock{Now: expiry.Add(-time.Hour)} },
		Current: func() (none [32]byte) { return none },
	})
	a := &attacked{files: map[string]string{"main.py": "import lib.a\n", "lib/a.py": "x = 1\n", "run.sh": "#!/bin/sh\n"}}
	a.ground = newGround(t, func(o *Options) {
		o.Packing = Packing{Bare: keeper.Bare, Admit: func(manifest, signature []byte) (Packed, error) {
			admitted, err := keeper.Admit(manifest, signature)
			return Packed{Manifest: admitted.Manifest, Sum: admitted.Sum, Signers: admitted.Signers}, err
		}}
	})
	a.must(os.WriteFile(filepath.Join(own, "allowed_signers"), []byte(anna.line()), 0o600))
	a.must(keeper.Confirmed(admission.Release{App: "garden", Serial: 5}))
	m := manifestOf(a.files)
	m.App, m.Serial, m.Version, m.Message, m.RollbackTo = "garden", 6, "v6", "new pumps", 6
	m.Expires, m.Needs, m.Removed = &expiry, &parcel.Needs{Arch: []string{"arm"}}, []string{"old.py"}
	m.Signers, m.Threshold = anna.line(), 1
	m.Files = append(m.Files, parcel.Entry{Path: "start", Kind: parcel.Link, Target: "run.sh"})
	a.manifest = encoded(t, m)
	a.signature = anna.sign(a.manifest, parcel.Namespace)
	return a
}

// lay writes all of it into deposit/.
func (a *attacked) lay() {
	a.Helper()
	a.must(os.MkdirAll(a.dir, 0o755))
	a.write(a.files)
	a.must(os.Symlink("run.sh", a.at("start")))
	a.write(map[string]string{parcel.ManifestName: a.manifest, parcel.SignatureName: a.signature})
}

// edit changes the manifest after it was signed.
func (a *attacked) edit(old, new string) {
	a.Helper()
	if !strings.Contains(a.manifest, old) {
		a.Fatalf("%q is not in %s", old, a.manifest)
	}
	a.manifest = strings.Replace(a.manifest, old, new, 1)
}

// resign is an edit by somebody who has the key, or has tricked who has.
func (a *attacked) resign(old, new string) {
	a.Helper()
	a.edit(old, new)
	a.signature = anna.sign(a.manifest, parcel.Namespace)
}

// resignFiles is that for the lines of the files, which it puts in order again.
func (a *attacked) resignFiles(change func(lines []string) []string) {
	a.Helper()
	lines := strings.Split(strings.ReplaceAll(a.manifest, "},\n", "}\n"), "\n")
	head, end := lines[0], len(lines)-2
	files := change(lines[1:end])
	slices.Sort(files)
	a.manifest = head + "\n" + strings.Join(files, ",\n") + "\n]}\n"
	a.signature = anna.sign(a.manifest, parcel.Namespace)
}

// oneMore adds a file to the manifest, and signs that.
func (a *attacked) oneMore(path string) {
	a.Helper()
	sum := sha256.Sum256(nil)
	a.resignFiles(func(lines []string) []string {
		return append(lines, fmt.Sprintf(` {"path":%q,"mode":"0644","sha256":"%x"}`, path, sum))
	})
	a.lay()
}

// part is a file of a tar archive.
type part struct {
	header  tar.Header
	content string
}

// parts are those of an archive that is right.
func (a *attacked) parts() []part {
	parts := []part{
		{tar.Header{Typeflag: tar.TypeReg, Name: parcel.ManifestName}, a.manifest},
		{tar.Header{Typeflag: tar.TypeReg, Name: parcel.SignatureName}, a.signature},
	}
	for _, path := range []string{"lib/a.py", "main.py", "run.sh"} {
		parts = append(parts, part{tar.Header{Typeflag: tar.TypeReg, Name: path}, a.files[path]})
	}
	return append(parts, part{header: tar.Header{Typeflag: tar.TypeSymlink, Name: "start", Linkname: "run.sh"}})
}

// archive writes an archive into deposit/, and after it what is given.
func (a *attacked) archive(parts []part, more ...byte) {
	a.Helper()
	a.archiveWithin(1<<20, parts, more...)
}

// archiveWithin writes one that needs so much memory to be unpacked.
func (a *attacked) archiveWithin(window int, parts []part, more ...byte) {
	a.Helper()
	var out bytes.Buffer
	compressed, err := zstd.NewWriter(&out, zstd.WithWindowSize(window), zstd.WithSingleSegment(false))
	a.must(err)
	writer := tar.NewWriter(compressed)
	for _, one := range parts {
		one.header.Size = int64(len(one.content))
		a.must(writer.WriteHeader(&one.header))
		_, err := io.WriteString(writer, one.content)
		a.must(err)
	}
	a.must(errors.Join(writer.Close(), compressed.Close()))
	a.must(os.MkdirAll(a.dir, 0o755))
	a.write(map[string]string{"r.ota": out.String() + string(more)})
}

// upperSums writes the sums of files in capitals.
func upperSums(lines []string) []string {
	for i, line := range lines {
		if before, sum, is := strings.Cut(line, `"sha256":"`); is {
			lines[i] = before + `"sha256":"` + strings.ToUpper(sum)
		}
	}
	return lines
}

const changed = "they, or it, were changed"

// manipulations are what somebody between the developer and the device can do,
// each with what the device says. Where want is empty it is taken: then nothing
// was manipulated, and the others prove something.
var manipulations = []struct {
	name string
	do   func(a *attacked)
	want string
}{
	{"nothing", func(a *attacked) { a.lay() }, ""},
	{"nothing, as an archive", func(a *attacked) { a.archive(a.parts()) }, ""},

	// Each field.
	{"format", func(a *attacked) { a.edit(`"format":1`, `"format":2`); a.lay() }, changed},
	{"kind", func(a *attacked) { a.edit(`"whole"`, `"overlay"`); a.lay() }, changed},
	{"app", func(a *attacked) { a.edit(`"garden"`, `"kitchen"`); a.lay() }, changed},
	{"version", func(a *attacked) { a.edit(`"v6"`, `"v7"`); a.lay() }, changed},
	{"serial", func(a *attacked) { a.edit(`"serial":6`, `"serial":7`); a.lay() }, changed},
	{"allow_rollback_to", func(a *attacked) { a.edit(`"allow_rollback_to":6`, `"allow_rollback_to":1`); a.lay() }, changed},
	{"expires", func(a *attacked) { a.edit(`"2027-`, `"2097-`); a.lay() }, changed},
	{"message", func(a *attacked) { a.edit(`new pumps`, `old pumps`); a.lay() }, changed},
	{"needs", func(a *attacked) { a.edit(`"arm"`, `"arm64"`); a.lay() }, changed},
	{"allowed_signers", func(a *attacked) { a.edit(`"anna ssh`, `"bert ssh`); a.lay() }, changed},
	{"threshold", func(a *attacked) { a.edit(`"threshold":1`, `"threshold":2`); a.lay() }, changed},
	{"removed", func(a *attacked) { a.edit(`"old.py"`, `"main2.py"`); a.lay() }, changed},
	{"a path", func(a *attacked) { a.edit(`"main.py"`, `"evil.py"`); a.lay() }, changed},
	{"a mode", func(a *attacked) { a.edit(`"0755"`, `"0644"`); a.lay() }, changed},
	{"a size", func(a *attacked) { a.edit(`"size":6`, `"size":7`); a.lay() }, changed},
	{"a sum", func(a *attacked) { a.edit(`"sha256":"`, `"sha256":"0`); a.lay() }, changed},
	{"a target", func(a *attacked) { a.edit(`"target":"run.sh"`, `"target":"main.py"`); a.lay() }, changed},
	{"the kind of a path", func(a *attacked) { a.edit(`"kind":"link"`, `"kind":"folder"`); a.lay() }, changed},
	{"a field less", func(a *attacked) { a.edit(`"message":"new pumps",`, ``); a.lay() }, changed},
	{"a field more", func(a *attacked) { a.edit(`"serial":6`, `"serial":6,"run":"rm"`); a.lay() }, changed},
	{"fields change places", func(a *attacked) { a.edit(`"format":1,"kind":"whole"`, `"kind":"whole","format":1`); a.lay() }, changed},
	{"a list of files less", func(a *attacked) { a.manifest, _, _ = strings.Cut(a.manifest, "\n"); a.manifest += "]}\n"; a.lay() }, changed},
	{"a byte order mark", func(a *attacked) { a.manifest = "\ufeff" + a.manifest; a.lay() }, changed},
	{"no UTF-8", func(a *attacked) { a.edit("new pumps", "new p\xfcmps"); a.lay() }, changed},
	{"a blank more", func(a *attacked) { a.manifest += " "; a.lay() }, changed},
	{"a line end of Windows", func(a *attacked) { a.manifest = strings.ReplaceAll(a.manifest, "\n", "\r\n"); a.lay() }, changed},

	// Each class of bytes.
	{"a byte of a file", func(a *attacked) { a.files["lib/a.py"] = "x = 2\n"; a.lay() }, "lib/a.py: its content is not the one"},
	{"a byte more", func(a *attacked) { a.files["lib/a.py"] += "\n"; a.lay() }, "lib/a.py: it has 7 bytes where"},
	{"a byte less", func(a *attacked) { a.files["lib/a.py"] = "x = 1"; a.lay() }, "lib/a.py: it has 5 bytes where"},
	{"an empty file", func(a *attacked) { a.files["lib/a.py"] = ""; a.lay() }, "lib/a.py: it has 0 bytes where"},
	{"zeros", func(a *attacked) { a.files["lib/a.py"] = strings.Repeat("\x00", 6); a.lay() }, "lib/a.py: its content is not the one"},
	{"a line end of Windows in a file", func(a *attacked) { a.files["lib/a.py"] = "x = 1\r\n"; a.lay() }, "lib/a.py: it has 7 bytes where"},
	{"a longer file by far", func(a *attacked) { a.files["lib/a.py"] = strings.Repeat("x", 1<<20); a.lay() }, "lib/a.py: it has 1048576 bytes where"},
	{"files change places", func(a *attacked) {
		a.files["lib/a.py"], a.files["run.sh"] = a.files["run.sh"], a.files["lib/a.py"]
		a.lay()
	}, "lib/a.py: it has 10 bytes where"},
	{"a byte of the signature", func(a *attacked) {
		a.signature = strings.Replace(a.signature, "AAAA", "AAAB", 1)
		a.lay()
	}, "ota-release.json.sig: "},

	// What is there.
	{"a file less", func(a *attacked) { delete(a.files, "lib/a.py"); a.lay() }, "lib/a.py: ota-release.json lists it"},
	{"a file more", func(a *attacked) { a.files["sitecustomize.py"] = ""; a.lay() }, "sitecustomize.py: ota-release.json does not list it"},
	{"a hidden file more", func(a *attacked) { a.files["lib/.pth"] = ""; a.lay() }, "lib/.pth: ota-release.json does not list it"},
	{"a folder more", func(a *attacked) { a.lay(); a.must(os.Mkdir(a.at("evil"), 0o755)) }, "evil: ota-release.json does not list it"},
	{"another capital", func(a *attacked) { a.files["Main.py"] = ""; a.lay() }, "Main.py: ota-release.json does not list it"},
	{"a link for a file", func(a *attacked) {
		a.lay()
		a.must(os.Remove(a.at("main.py")))
		a.must(os.Symlink("/etc/passwd", a.at("main.py")))
	}, "main.py: ota-release.json lists a file of this name, and it is a link"},
	{"a link for a folder", func(a *attacked) { a.lay(); a.must(os.RemoveAll(a.at("lib"))); a.must(os.Symlink("/etc", a.at("lib"))) }, "lib: ota-release.json does not list it"},
	{"a link elsewhere", func(a *attacked) {
		a.lay()
		a.must(os.Remove(a.at("start")))
		a.must(os.Symlink("main.py", a.at("start")))
	}, `start: it leads to "main.py" where`},
	{"a folder for a file", func(a *attacked) {
		a.lay()
		a.must(os.Remove(a.at("main.py")))
		a.must(os.Mkdir(a.at("main.py"), 0o755))
	}, "main.py: ota-release.json lists a file of this name, and it is a folder"},
	{"a pipe for a file", func(a *attacked) {
		a.lay()
		a.must(os.Remove(a.at("main.py")))
		a.must(unix.Mkfifo(a.at("main.py"), 0o644))
	}, "main.py: ota-release.json lists a file of this name, and it is a named pipe"},
	{"a socket for a file", func(a *attacked) {
		a.lay()
		a.must(os.Remove(a.at("main.py")))
		a.must(unix.Mknod(a.at("main.py"), unix.S_IFSOCK|0o644, 0))
	}, "main.py: ota-release.json lists a file of this name, and it is a socket"},
	{"a file of somebody else's for a file", func(a *attacked) {
		a.lay()
		a.must(os.Remove(a.at("main.py")))
		a.write(map[string]string{"../private": "key"})
		a.must(os.Link(a.at("../private"), a.at("main.py")))
	}, "main.py: it has 3 bytes where"},
	{"a file for a link", func(a *attacked) {
		a.lay()
		a.must(os.Remove(a.at("start")))
		a.write(map[string]string{"start": "#!/bin/sh\n"})
	}, "start: ota-release.json lists a link of this name, and it is a file"},
	{"a link for the manifest", func(a *attacked) {
		a.lay()
		a.must(os.Rename(a.at(parcel.ManifestName), a.at("m")))
		a.must(os.Symlink("m", a.at(parcel.ManifestName)))
	}, "takes only signed ones"},
	{"a link for the signature", func(a *attacked) {
		a.lay()
		a.must(os.Rename(a.at(parcel.SignatureName), a.at("s")))
		a.must(os.Symlink("s", a.at(parcel.SignatureName)))
	}, "ota-release.json.sig: it has to be a file"},
	{"no manifest", func(a *attacked) { a.lay(); a.must(os.Remove(a.at(parcel.ManifestName))) }, "it is no packed release"},
	{"the manifest further down", func(a *attacked) {
		a.lay()
		a.must(os.Rename(a.at(parcel.ManifestName), a.at("lib/"+parcel.ManifestName)))
	}, "it is no packed release"},

	// The signature.
	{"no signature", func(a *attacked) { a.lay(); a.must(os.Remove(a.at(parcel.SignatureName))) }, "the release is not signed"},
	{"an empty signature", func(a *attacked) { a.signature = ""; a.lay() }, "ota-release.json.sig: the signature can't be read: there is no signature in it"},
	{"half a signature", func(a *attacked) { a.signature = a.signature[:len(a.signature)/2]; a.lay() }, "it is cut off"},
	{"junk for a signature", func(a *attacked) { a.signature = "\x00\xff"; a.lay() }, "the signature can't be read"},
	{"another's signature", func(a *attacked) { a.signature = mallory.sign(a.manifest, parcel.Namespace); a.lay() }, "is not in allowed_signers"},
	{"another's signature beside", func(a *attacked) { a.signature += mallory.sign(a.manifest, parcel.Namespace); a.lay() }, "is not in allowed_signers"},
	{"a signature of git", func(a *attacked) { a.signature = anna.sign(a.manifest, "git"); a.lay() }, `it was made for "git", not for "ota-release"`},
	{"the signature of another release", func(a *attacked) {
		a.signature = anna.sign(strings.Replace(a.manifest, "v6", "v7", 1), parcel.Namespace)
		a.lay()
	}, changed},
	{"a huge signature", func(a *attacked) { a.signature = strings.Repeat(a.signature, 400); a.lay() }, "longer than"},

	// Signed, and wrong all the same.
	{"a replay", func(a *attacked) { a.resign(`"serial":6,"allow_rollback_to":6`, `"serial":5`); a.lay() }, "its serial, 5, is not above 5"},
	{"a downgrade", func(a *attacked) { a.resign(`"serial":6,"allow_rollback_to":6`, `"serial":4`); a.lay() }, "its serial, 4, is not above 5"},
	{"another program", func(a *attacked) { a.resign(`"garden"`, `"kitchen"`); a.lay() }, `the release is one of "kitchen"`},
	{"no program", func(a *attacked) { a.resign(`"app":"garden",`, ``); a.lay() }, "the release names no program"},
	{"another machine", func(a *attacked) { a.resign(`"arch":["arm"]`, `"arch":["amd64"]`); a.lay() }, "the release is for amd64"},
	{"expired", func(a *attacked) { a.resign(`"2027-`, `"2026-`); a.lay() }, "the release has expired"},
	{"a way out", func(a *attacked) { a.resign(`"main.py"`, `"../../x"`); a.lay() }, "the path leads out of the release"},
	{"an absolute path", func(a *attacked) { a.resign(`"main.py"`, `"/etc/cron.d/x"`); a.lay() }, "the path is absolute"},
	{"a way out of Windows", func(a *attacked) { a.resign(`"main.py"`, `"..\\x"`); a.lay() }, "backslash"},
	{"a way out in the middle", func(a *attacked) { a.resign(`"lib/a.py"`, `"lib/../../x"`); a.lay() }, "the path leads out of the release"},
	{"a way out at the end", func(a *attacked) { a.resign(`"lib/a.py"`, `"lib/.."`); a.lay() }, "the path leads out of the release"},
	{"a dot in a path", func(a *attacked) { a.resign(`"lib/a.py"`, `"./lib/a.py"`); a.lay() }, "the path has empty parts"},
	{"two slashes", func(a *attacked) { a.resign(`"lib/a.py"`, `"lib//a.py"`); a.lay() }, "the path has empty parts"},
	{"a slash at the end", func(a *attacked) { a.resign(`"lib/a.py"`, `"lib/"`); a.lay() }, "the path has empty parts"},
	{"no path", func(a *attacked) { a.resign(`"lib/a.py"`, `""`); a.lay() }, "the path is empty"},
	{"a line end in a path", func(a *attacked) { a.resign(`"lib/a.py"`, `"lib/a\npy"`); a.lay() }, "control characters"},
	{"a control character beyond ASCII in a path", func(a *attacked) { a.resign(`"lib/a.py"`, "\"lib/a\u0085py\""); a.lay() }, "control characters"},
	{"half a character in a path", func(a *attacked) { a.resign(`"lib/a.py"`, `"lib/\ud800"`); a.lay() }, "the path is no UTF-8"},
	{"no UTF-8 in a path", func(a *attacked) { a.resign(`"lib/a.py"`, "\"lib/\xff\""); a.lay() }, "it is no text in UTF-8"},
	{"a long name", func(a *attacked) { a.resign(`"lib/a.py"`, `"lib/`+strings.Repeat("a", 256)+`"`); a.lay() }, "a name in the path is longer than 255 bytes"},
	{"a long path", func(a *attacked) { a.resign(`"lib/a.py"`, `"lib`+strings.Repeat("/a", 512)+`"`); a.lay() }, "the path is longer than 1024 bytes"},
	{"a removal that leads out", func(a *attacked) { a.resign(`"old.py"`, `"../old.py"`); a.lay() }, "the path leads out of the release"},
	{"a removal of ota's own", func(a *attacked) { a.resign(`"old.py"`, `".ota/trust.json"`); a.lay() }, "this name is ota's own"},
	{"a removal of what comes", func(a *attacked) { a.resign(`"old.py"`, `"main.py"`); a.lay() }, "it is one of the files, too"},
	{"a removal of a folder that comes", func(a *attacked) { a.resign(`"old.py"`, `"lib"`); a.lay() }, "it is one of the files, too"},
	{"ota's own folder in capitals", func(a *attacked) { a.resign(`"lib/a.py"`, `".OTA/trust.json"`); a.lay() }, "this name is ota's own"},
	{"ota's own folder further down", func(a *attacked) { a.resign(`"lib/a.py"`, `"lib/.ota/x"`); a.lay() }, "this name is ota's own"},
	{"a manifest in the manifest", func(a *attacked) { a.oneMore("ota-release.json") }, "the name is kept for packed releases"},
	{"a signature in the manifest", func(a *attacked) { a.oneMore("Ota-Release.json.sig") }, "the name is kept for packed releases"},
	{"an archive in the manifest", func(a *attacked) { a.oneMore("next.ota") }, "the name is kept for packed releases"},
	{"a hold in the manifest", func(a *attacked) { a.oneMore(".hold") }, "the name is kept for packed releases"},
	{"a zero in a path", func(a *attacked) { a.resign(`"main.py"`, `"main\u0000.py"`); a.lay() }, "control characters"},
	{"ota's own folder", func(a *attacked) { a.resign(`"lib/a.py"`, `".ota/trust.json"`); a.lay() }, "this name is ota's own"},
	{"a link out", func(a *attacked) { a.resign(`"target":"run.sh"`, `"target":"/etc"`); a.lay() }, "leads out of the release"},
	{"paths out of order", func(a *attacked) { a.resign(`"run.sh"`, `"start/x"`); a.lay() }, "out of order"},
	{"a path through a link", func(a *attacked) { a.oneMore("start/x") }, `"start" is a file or an empty folder, and a folder with something in it`},
	{"a path through a file", func(a *attacked) { a.oneMore("main.py/x") }, `"main.py" is a file or an empty folder, and a folder with something in it`},
	{"a link up and out", func(a *attacked) { a.resign(`"target":"run.sh"`, `"target":"lib/../../etc"`); a.lay() }, "leads out of the release"},
	{"a link by way of a link", func(a *attacked) {
		a.resignFiles(func(lines []string) []string {
			return append(lines, ` {"path":"lib/up","kind":"link","target":".."}`, ` {"path":"out","kind":"link","target":"lib/up/.."}`)
		})
		a.lay()
	}, "leads out of the release"},
	{"a link with no target", func(a *attacked) { a.resign(`,"target":"run.sh"`, ``); a.lay() }, "lacks its target"},
	{"a file with a target", func(a *attacked) { a.resign(`"size":6,`, `"size":6,"target":"x",`); a.lay() }, "a file has no target"},
	{"a kind that there is not", func(a *attacked) { a.resign(`"kind":"link"`, `"kind":"device"`); a.lay() }, `there is no kind "device"`},
	{"folders that differ in capitals", func(a *attacked) { a.oneMore("Lib/b.py") }, `"Lib" and "lib" differ in capitals only`},
	{"capitals beyond ASCII", func(a *attacked) { a.oneMore("ſtart") }, "differ in capitals only"},
	{"names that differ in capitals", func(a *attacked) { a.resign(`"lib/a.py"`, `"MAIN.py"`); a.lay() }, "differ in capitals only"},
	{"a name twice", func(a *attacked) { a.resign(`"lib/a.py"`, `"main.py"`); a.lay() }, "it is listed twice"},
	{"a key twice", func(a *attacked) { a.resign(`"serial":6`, `"serial":6,"serial":9`); a.lay() }, "line 1 was changed, or a key is there twice"},
	{"an unknown key", func(a *attacked) { a.resign(`"serial":6`, `"run":"rm","serial":6`); a.lay() }, `unknown field "run"`},
	{"a manifest behind the manifest", func(a *attacked) {
		a.manifest += a.manifest
		a.signature = anna.sign(a.manifest, parcel.Namespace)
		a.lay()
	}, "it is not as"},
	{"half a manifest", func(a *attacked) {
		a.manifest = a.manifest[:len(a.manifest)/2]
		a.signature = anna.sign(a.manifest, parcel.Namespace)
		a.lay()
	}, "it is cut off"},
	{"a format to come", func(a *attacked) { a.resign(`"format":1`, `"format":2`); a.lay() }, "it has format 2; this ota knows format 1"},
	{"a kind of release to come", func(a *attacked) { a.resign(`"whole"`, `"half"`); a.lay() }, `"half"`},
	{"no files", func(a *attacked) {
		a.resign(`"files":[`, `"files":null,"x":[`)
		a.lay()
	}, `unknown field "x"`},
	{"no serial", func(a *attacked) { a.resign(`"serial":6,`, ``); a.lay() }, "serial: 0 is not between 1 and"},
	{"a serial with a point", func(a *attacked) { a.resign(`"serial":6`, `"serial":6.5`); a.lay() }, "it is no manifest"},
	{"a serial beyond all", func(a *attacked) { a.resign(`"serial":6`, `"serial":9007199254740993`); a.lay() }, "serial: 9007199254740993 is not between 1 and"},
	{"a serial in words", func(a *attacked) { a.resign(`"serial":6`, `"serial":"6"`); a.lay() }, "it is no manifest"},
	{"a negative threshold", func(a *attacked) { a.resign(`"threshold":1`, `"threshold":-1`); a.lay() }, "threshold"},
	{"an expiry to the fraction", func(a *attacked) { a.resign(`:00Z"`, `:00.5Z"`); a.lay() }, "expires"},
	{"a sum in capitals", func(a *attacked) { a.resignFiles(upperSums); a.lay() }, "is not 64 small hexadecimal digits"},
	{"a mode for all", func(a *attacked) { a.resign(`"0755"`, `"0777"`); a.lay() }, `the mode "0777"`},
	{"too many files", func(a *attacked) {
		sum := sha256.Sum256(nil)
		a.resignFiles(func(lines []string) []string {
			for i := range 30_001 {
				lines = append(lines, fmt.Sprintf(` {"path":"x/%06d","mode":"0644","sha256":"%x"}`, i, sum))
			}
			return lines
		})
		a.lay()
	}, "30000"},
	{"a manifest without end", func(a *attacked) {
		a.manifest += strings.Repeat(" ", parcel.LongestManifest)
		a.signature = anna.sign(a.manifest, parcel.Namespace)
		a.lay()
	}, "longer than"},
	{"a setuid file", func(a *attacked) { a.resign(`"0755"`, `"4755"`); a.lay() }, `the mode "4755"`},
	{"a negative size", func(a *attacked) { a.resign(`"size":6`, `"size":-6`); a.lay() }, "the size -6"},
	{"an endless size", func(a *attacked) { a.resign(`"size":6`, `"size":9e99`); a.lay() }, "it is no manifest"},
	{"a size over all", func(a *attacked) { a.resign(`"size":6`, `"size":9007199254740993`); a.lay() }, "the size 9007199254740993"},
	{"keys that can't be used", func(a *attacked) { a.resign(`ssh-ed25519`, `ssh-dss`); a.lay() }, "the keys that it brings can't be used"},
	{"nobody could sign any more", func(a *attacked) { a.resign(`"threshold":1`, `"threshold":2`); a.lay() }, "no release could be taken any more"},

	// Two releases.
	{"files of two releases", func(a *attacked) { a.files["main.py"] = "import lib.b\n"; a.lay() }, "main.py: its content is not the one"},
	{"manifest of one, signature of another", func(a *attacked) {
		other := strings.Replace(a.manifest, `"serial":6`, `"serial":8`, 1)
		a.signature = anna.sign(other, parcel.Namespace)
		a.lay()
	}, changed},
	{"an archive beside a release", func(a *attacked) { a.lay(); a.write(map[string]string{"r.ota": ""}) }, "r.ota: ota-release.json does not list it"},
	{"two archives", func(a *attacked) { a.archive(a.parts()); a.write(map[string]string{"s.ota": ""}) }, "it is no packed release"},
	{"a file beside an archive", func(a *attacked) { a.archive(a.parts()); a.write(map[string]string{"x.py": ""}) }, "it is no packed release"},

	// Archives.
	{"another file in the archive", func(a *attacked) { p := a.parts(); p[3].content = "import lib.b\n"; a.archive(p) }, `r.ota: "main.py": its content is not the one`},
	{"a longer file in the archive", func(a *attacked) { p := a.parts(); p[3].content += "\n"; a.archive(p) }, `"main.py" is in it where`},
	{"a file more in the archive", func(a *attacked) {
		a.archive(append(a.parts(), part{tar.Header{Name: "x.py", Typeflag: tar.TypeReg}, ""}))
	}, `"x.py" is in it, and`},
	{"a file less in the archive", func(a *attacked) { p := a.parts(); a.archive(p[:5]) }, `it is cut off: "start" is not in it`},
	{"a file twice in the archive", func(a *attacked) { p := a.parts(); a.archive(slices.Insert(p, 3, p[3])) }, `"main.py" is in it where`},
	{"a way out in the archive", func(a *attacked) { p := a.parts(); p[3].header.Name = "../main.py"; a.archive(p) }, `"../main.py" is in it where`},
	{"a link for a file in the archive", func(a *attacked) {
		p := a.parts()
		p[3] = part{header: tar.Header{Typeflag: tar.TypeSymlink, Name: "main.py", Linkname: "/etc/passwd"}}
		a.archive(p)
	}, `"main.py" is in it where`},
	{"a hard link in the archive", func(a *attacked) {
		p := a.parts()
		p[3] = part{header: tar.Header{Typeflag: tar.TypeLink, Name: "main.py", Linkname: "/etc/passwd"}}
		a.archive(p)
	}, `"main.py" is in it where`},
	{"a folder for a file in the archive", func(a *attacked) {
		p := a.parts()
		p[3] = part{header: tar.Header{Typeflag: tar.TypeDir, Name: "main.py/"}}
		a.archive(p)
	}, `"main.py/" is in it where`},
	{"a device in the archive", func(a *attacked) {
		p := a.parts()
		p[3] = part{header: tar.Header{Typeflag: tar.TypeBlock, Name: "main.py", Devmajor: 8}}
		a.archive(p)
	}, `"main.py" is in it where`},
	{"a pipe in the archive", func(a *attacked) {
		p := a.parts()
		p[3] = part{header: tar.Header{Typeflag: tar.TypeFifo, Name: "main.py"}}
		a.archive(p)
	}, `"main.py" is in it where`},
	{"another link in the archive", func(a *attacked) { p := a.parts(); p[5].header.Linkname = "/etc/passwd"; a.archive(p) }, `"start" is in it where`},
	{"an absolute path in the archive", func(a *attacked) { p := a.parts(); p[3].header.Name = "/main.py"; a.archive(p) }, `"/main.py" is in it where`},
	{"files of the archive change places", func(a *attacked) { p := a.parts(); p[2], p[3] = p[3], p[2]; a.archive(p) }, `"main.py" is in it where`},
	{"a name for all in the archive", func(a *attacked) {
		global := part{header: tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g", PAXRecords: map[string]string{"path": "evil.py"}}}
		a.archive(slices.Insert(a.parts(), 2, global))
	}, `is in it where`},
	{"rights in the archive that are not in the manifest", func(a *attacked) {
		p := a.parts()
		p[3].header.Mode, p[3].header.Uid = 0o4777, 0
		a.archive(p)
	}, ""},
	{"two manifests in the archive", func(a *attacked) { p := a.parts(); a.archive(slices.Insert(p, 2, p[0])) }, `"ota-release.json" is in it where`},
	{"the manifest last in the archive", func(a *attacked) { p := a.parts(); a.archive(append(p[1:], p[0])) }, "the first file in it is not"},
	{"an unsigned archive", func(a *attacked) { p := a.parts(); a.archive(slices.Delete(p, 1, 2)) }, "the release is not signed"},
	{"more behind the archive", func(a *attacked) { a.archive(a.parts(), 0) }, "r.ota: it is "},
	{"an archive behind the archive", func(a *attacked) { a.archive(a.parts(), archiveOf(a.T, nil)...) }, "something comes after its end"},
	{"a bomb", func(a *attacked) {
		a.archive([]part{{tar.Header{Typeflag: tar.TypeReg, Name: parcel.ManifestName}, strings.Repeat("\x00", 64<<20)}})
	}, "longer than"},
	{"a bomb behind the signature", func(a *attacked) { p := a.parts(); p[2].content = strings.Repeat("\x00", 64<<20); a.archive(p) }, `"lib/a.py" is in it where`},
	{"a signature without end in the archive", func(a *attacked) {
		a.signature = strings.Repeat(a.signature, 400)
		a.archive(a.parts())
	}, "longer than"},
	{"an archive that takes much memory", func(a *attacked) {
		p := a.parts()
		p[2].content = strings.Repeat("\x00", 4<<20) // a small one would not ask for it
		a.archiveWithin(64<<20, p)
	}, "it takes more memory to unpack"},
	{"an archive that is not compressed", func(a *attacked) {
		var out bytes.Buffer
		writer := tar.NewWriter(&out)
		for _, one := range a.parts() {
			one.header.Size = int64(len(one.content))
			a.must(writer.WriteHeader(&one.header))
			_, err := io.WriteString(writer, one.content)
			a.must(err)
		}
		a.must(writer.Close())
		a.must(os.MkdirAll(a.dir, 0o755))
		a.write(map[string]string{"r.ota": out.String()})
	}, "r.ota: it is damaged, or no archive"},
	{"half an archive", func(a *attacked) {
		a.archive(a.parts())
		whole, err := os.ReadFile(a.at("r.ota"))
		a.must(err)
		a.must(os.Truncate(a.at("r.ota"), int64(len(whole)/2)))
	}, "r.ota: it is cut off"},
	{"another's archive", func(a *attacked) {
		a.signature = mallory.sign(a.manifest, parcel.Namespace)
		a.archive(a.parts())
	}, "is not in allowed_signers"},
	{"an old release in an archive", func(a *attacked) {
		a.resign(`"serial":6,"allow_rollback_to":6`, `"serial":5`)
		a.archive(a.parts())
	}, "its serial, 5, is not above 5"},
	{"no archive at all", func(a *attacked) {
		a.must(os.MkdirAll(a.dir, 0o755))
		a.write(map[string]string{"r.ota": "PK\x03\x04"})
	}, "r.ota: it is "},
	{"an empty archive", func(a *attacked) { a.must(os.MkdirAll(a.dir, 0o755)); a.write(map[string]string{"r.ota": ""}) }, "r.ota: it is no packed release"},
}

// TestManipulatedReleasesAreHeld does each of them to a device, whose room says
// why, and writes nothing.
func TestManipulatedReleasesAreHeld(t *testing.T) {
	if len(manipulations) < 140 {
		t.Fatalf("only %d manipulations", len(manipulations))
	}
	for _, test := range manipulations {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := newAttacked(t)
			test.do(a)
			sealed, err := a.room.Seal(t.Context(), a.snapshot())
			var refused *reason.Refused
			switch {
			case test.want == "" && err == nil:
				a.must(sealed.Close())
			case test.want == "" || !errors.As(err, &refused) || !strings.Contains(refused.Error(), test.want):
				t.Errorf("got %v, want %s", err, test.want)
			}
			if private, err := os.ReadDir(a.room.options.Incoming); err == nil && len(private) > 0 {
				t.Errorf("left in incoming: %v", private)
			}
		})
	}
}

// TestEveryByteOfTheHead cuts manifest and signature off at each byte, and turns
// a bit of each. What was signed is another thing then; what has signed can't be
// read, is somebody else's, or is wrong.
func TestEveryByteOfTheHead(t *testing.T) {
	a := newAttacked(t)
	admit := a.room.options.Packing.Admit
	signature := strings.TrimRight(a.signature, "\n")
	for what, text := range map[string]string{"manifest": a.manifest, "signature": signature} {
		for at := range text {
			turned := text[:at] + string(text[at]^0x01) + text[at+1:]
			if what == "signature" && text[at] == '\n' { // blanks mean nothing there
				turned = ""
			}
			for how, damaged := range map[string]string{"cut off": text[:at], "changed": turned} {
				manifest, by, want := a.manifest, damaged, []string{"can't be read", "is not in allowed_signers", "the signature of anna is wrong"}
				if what == "manifest" {
					manifest, by, want = damaged, signature, []string{changed}
				}
				_, err := admit([]byte(manifest), []byte(by))
				var refused *reason.Refused
				if !errors.As(err, &refused) || !slices.ContainsFunc(want, func(one string) bool { return strings.Contains(err.Error(), one) }) {
					t.Fatalf("the %s, %s at byte %d: %v, want one of %q", what, how, at, err, want)
				}
			}
		}
	}
}

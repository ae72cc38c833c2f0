//go:build linux

package service

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ota/test/harness"
)

const startPage = "../../docs/getting-started.md"

// standIn is what is done here instead of a command of the page, by root in the
// machine.
type standIn struct {
	do      string
	because string
}

// standIns are all of them. Every other command is followed to the letter.
var standIns = map[string]standIn{
	"ssh pi@greenhouse.local": {"", "the machine has no network; what is typed there is done in it"},
	"make packages":           {"", "they are made already"},
	"scp dist/packages/ota_0.1.0_arm64.deb pi@greenhouse.local:":  {"install -o pi -g pi -m 644 /opt/ota.deb /home/pi/ota_0.1.0_arm64.deb", "no network, and the package is that for this machine"},
	"sudo apt install -y ./ota_0.1.0_arm64.deb":                   {"apt-get install -y --no-install-recommends /home/pi/ota_0.1.0_arm64.deb", "no network for what it recommends"},
	"sudo apt install -y python3":                                 {"python3 -c 'import json'", "no network; the library is that of this machine, see bring"},
	"scp main.py pi@greenhouse.local:garden/deposit/":             {"runuser -u pi -- cp /home/you/main.py /home/pi/garden/deposit/", "no network; test/uploads has scp"},
	"ssh -N -L 8484:127.0.0.1:8484 pi@greenhouse.local":           {"", "no network; test/page logs in"},
	"sudo apt install -y vsftpd":                                  {"useradd --system --no-create-home ftp && mkdir -p /var/run/vsftpd/empty && test -x /usr/sbin/vsftpd", "no network; it is that of this machine, see bring"},
	"sudo passwd uploader":                                        {"echo uploader:sesame | chpasswd", "it asks"},
	"sudo systemctl restart vsftpd":                               {"systemd-run --quiet --unit=vsftpd vsftpd -obackground=NO /etc/vsftpd.conf", "its unit came with the package"},
	"curl -T main.py -u uploader ftp://greenhouse.local/deposit/": {upload, "no network; it asks, and the name is not known"},
}

// upload is done by the curl of this machine, in the network of the other.
const upload = "curl"

// bring says what the system sees of this machine: ota's package, and what apt would
// install, the library of Python, of which the system has the least part, and
// vsftpd.
func bring(t *testing.T) (sees []string) {
	t.Helper()
	harness.Need(t, "vsftpd", "curl", "ldd")
	system := base(t)
	libraries, _ := filepath.Glob(filepath.Join(system, "usr/lib/python3.*"))
	if len(libraries) != 1 {
		t.Fatalf("the system has the libraries %q", libraries)
	}
	library := strings.TrimPrefix(libraries[0], system)
	if _, err := os.Stat(library + "/json"); err != nil {
		harness.Lack(t, "this machine has another Python than that system: "+err.Error())
	}
	server, err := exec.LookPath("vsftpd")
	if err != nil {
		t.Fatal(err)
	}
	needs, err := exec.Command("ldd", server).Output()
	if err != nil {
		t.Fatal(err)
	}
	packed := filepath.Join(harness.Packages(t, "0.1.0", harness.ThisMachine), "ota_0.1.0_amd64.deb")
	sees = []string{packed + ":/opt/ota.deb", library, server + ":/usr/sbin/vsftpd"}
	for _, need := range regexp.MustCompile(`=> (/\S+)`).FindAllStringSubmatch(string(needs), -1) {
		if _, err := os.Stat(filepath.Join(system, need[1])); err != nil {
			sees = append(sees, need[1])
		}
	}
	return sees
}

// step is a block of the page that is to be done.
type step struct {
	line  int
	kind  string // "console" or the language of a file
	where string // "pi" or "computer"
	rest  []string
	text  string
}

var fence = regexp.MustCompile("(?ms)^```(console|python|ini) ([^\n]*)\n(.*?)^```$")

// steps returns the blocks of the page. Each says where it belongs; that of a
// file says how it is called.
func steps(t *testing.T, page string) (found []step) {
	t.Helper()
	for _, at := range fence.FindAllStringSubmatchIndex(page, -1) {
		words := strings.Fields(page[at[4]:at[5]])
		if len(words) == 0 || words[0] != "pi" && words[0] != "computer" {
			t.Fatalf("line %d: the block does not say where it belongs", strings.Count(page[:at[0]], "\n")+1)
		}
		found = append(found, step{strings.Count(page[:at[0]], "\n") + 1, page[at[2]:at[3]], words[0], words[1:], page[at[6]:at[7]]})
	}
	return found
}

// call is a command of the page and what it shows.
type call struct{ command, shows string }

// calls splits a console into its commands. A line that begins with "> " goes on
// with the command.
func calls(text string) (found []call) {
	for line := range strings.Lines(text) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			found = append(found, call{command: strings.TrimSpace(command)})
		} else if last := len(found) - 1; last >= 0 {
			found[last].shows += line
		}
	}
	return found
}

// pattern matches what the page shows: "…" stands for whatever is there, on a
// line of its own for any number of lines.
func pattern(shows string) *regexp.Regexp {
	var text strings.Builder
	for line := range strings.Lines(strings.TrimRight(shows, "\n") + "\n") {
		if strings.TrimSpace(line) == "…" {
			text.WriteString(`(?:.*\n)*`)
			continue
		}
		text.WriteString(strings.ReplaceAll(regexp.QuoteMeta(strings.TrimRight(line, " \n")), "…", ".*") + ` *\n`)
	}
	return regexp.MustCompile(`\A` + text.String() + `\z`)
}

// follower does what the page says.
type follower struct {
	m      *machine
	folder map[string]string // where one is, on the Pi and on the computer
	used   map[string]bool   // stand-ins
}

// sshConnection is what a login by ssh sets.
const sshConnection = "SSH_CONNECTION=192.168.1.5 50022 192.168.1.23 22"

// do does a command where it belongs: on the Pi as pi, with sudo as root.
func (f *follower) do(where, command string) (string, error) {
	user := map[string]string{"pi": "pi", "computer": "you"}[where]
	if standIn, ok := standIns[command]; ok {
		f.used[command] = true
		if command, user = standIn.do, "root"; command == upload {
			return f.upload()
		}
	} else if rest, ok := strings.CutPrefix(command, "sudo "); ok {
		command, user = rest, "root"
	}
	// The folder is kept from command to command, as in a shell.
	script := fmt.Sprintf("cd %s || exit; %s\ncode=$?; pwd >/tmp/pwd.%s; exit $code", f.folder[where], command, user)
	said, err := f.m.try("runuser", "-u", user, "--", "env", "HOME=/home/"+user, "TERM=dumb", sshConnection, "bash", "-c", script)
	if folder, problem := f.m.try("cat", "/tmp/pwd."+user); problem == nil && user != "root" {
		f.folder[where] = folder
	}
	return said, err
}

// upload sends main.py by FTP.
func (f *follower) upload() (string, error) {
	cmd := exec.Command("nsenter", "--target", f.m.init, "--net", "--", "curl", "-sS", "--retry", "50", "--retry-connrefused", "--retry-delay", "1",
		"-T", "-", "-u", "uploader:sesame", "ftp://127.0.0.1/deposit/main.py")
	cmd.Stdin = strings.NewReader(f.m.do("cat", f.folder["computer"]+"/main.py") + "\n")
	said, err := cmd.CombinedOutput()
	return string(said), err
}

// console does the commands of a block and compares what they show. What ota
// says of how things stand is asked for until it is as the page shows it.
func (f *follower) console(t *testing.T, one step) {
	varies := len(one.rest) > 0 && one.rest[0] == "varies"
	for _, call := range calls(one.text) {
		_, replaced := standIns[call.command]
		shows := pattern(call.shows)
		for deadline := time.Now().Add(harness.Deadline); ; {
			said, err := f.do(one.where, call.command)
			if err == nil && (replaced || varies || shows.MatchString(said+"\n") || said == call.shows) {
				t.Logf("$ %s\n%s", call.command, said)
				break
			}
			if !looks.MatchString(call.command) || time.Now().After(deadline) {
				t.Fatalf("%s:%d: $ %s\n%s\n%v\nthe page shows:\n%s", startPage, one.line, call.command, said, err, call.shows)
			}
			<-time.After(100 * time.Millisecond)
		}
		if call.command == "ota init garden" {
			// Three trials of ten seconds would take half a minute.
			f.m.do("sed", "-i", `s/^\[trial\]$/&\nperiod = "2s"/`, "/home/pi/garden/ota.toml")
		}
	}
}

// looks matches what may be done as often as one likes.
var looks = regexp.MustCompile(`^ota -C garden (status|logs|history|why|doctor)`)

// file writes the file that a block holds.
func (f *follower) file(t *testing.T, one step) {
	name := one.rest[0]
	if !filepath.IsAbs(name) {
		name = filepath.Join(f.folder[one.where], name)
	}
	f.m.do("bash", "-c", "cat >"+name+" <<'EOF'\n"+one.text+"EOF")
}

// TestGettingStarted follows the page to the letter, in a system that knows
// nothing of ota.
func TestGettingStarted(t *testing.T) {
	page, err := os.ReadFile(startPage)
	if err != nil {
		t.Fatal(err)
	}
	m := boot(t, bring(t)...)
	m.do("mount", "-t", "tmpfs", "tmpfs", "/home") // a disk, of whose changes the kernel tells
	// What the card's first start makes, and a computer beside it.
	m.do("useradd", "--create-home", "--shell", "/bin/bash", "pi")
	m.do("chmod", "700", "/home/pi")
	m.do("useradd", "--create-home", "--shell", "/bin/bash", "you")

	f := &follower{m, map[string]string{"pi": "/home/pi", "computer": "/home/you"}, map[string]bool{}}
	for _, one := range steps(t, string(page)) {
		if one.kind == "console" {
			f.console(t, one)
		} else {
			f.file(t, one)
		}
	}
	for command := range standIns {
		if !f.used[command] {
			t.Errorf("the page has no command %q any more", command)
		}
	}
}

// TestStepsAreRead: "…" stands for what varies, and for nothing else.
func TestStepsAreRead(t *testing.T) {
	for _, test := range []struct {
		shows, said string
		fits        bool
	}{
		{"one\ntwo\n", "one\ntwo\n", true},
		{"one\n", "one\ntwo\n", false},
		{"one\n…\n", "one\ntwo\nthree\n", true},
		{"pid …, up\n", "pid 17, up\n", true},
		{"pid …, up\n", "pid 17, down\n", false},
		{"a.b\n", "axb\n", false},
	} {
		if got := pattern(test.shows).MatchString(test.said); got != test.fits {
			t.Errorf("%q shows %q: %v", test.said, test.shows, got)
		}
	}
	if got := fmt.Sprint(calls("$ a\nx\n$ b\n")); got != "[{a x\n} {b }]" {
		t.Error(got)
	}
}

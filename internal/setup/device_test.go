package setup

import (
	"archive/tar"
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestKinds(t *testing.T) {
	for _, test := range []struct {
		device Device
		want   string // the best one; empty: none
	}{
		{Device{Machine: "armv6l", Package: "armhf", Bits: "32", Float: "yes"}, "linux-armv6"},
		{Device{Machine: "armv7l", Package: "armhf", Bits: "32", Float: "yes"}, "linux-armv7"},
		{Device{Machine: "armv7l", Bits: "32", Float: "no"}, "linux-armv5"},
		{Device{Machine: "armv7l", Package: "armel", Float: "yes"}, "linux-armv5"},
		{Device{Machine: "armv5tejl"}, "linux-armv5"},
		{Device{Machine: "armv8l", Bits: "32"}, "linux-armv7"},
		{Device{Machine: "aarch64", Package: "arm64", Bits: "64"}, "linux-arm64"},
		{Device{Machine: "aarch64", Package: "armhf", Bits: "32"}, "linux-armv7"},
		{Device{Machine: "aarch64", Bits: "32"}, "linux-armv7"},
		{Device{Machine: "aarch64"}, "linux-arm64"},
		{Device{Machine: "x86_64", Package: "i386", Bits: "32"}, "linux-amd64"},
		{Device{Machine: "riscv64"}, "linux-riscv64"},
		{Device{Machine: "i686"}, ""},
		{Device{Machine: "mips"}, ""},
		{Device{System: "Darwin", Machine: "arm64"}, ""},
	} {
		if test.device.System == "" {
			test.device.System = "Linux"
		}
		kinds, err := test.device.Kinds()
		if test.want == "" && err == nil || test.want != "" && (err != nil || kinds[0] != test.want) {
			t.Errorf("%+v: %q, %v", test.device, kinds, err)
		}
	}
}

const answer = `Welcome!
ota-looks-from-here
system=Linux
machine=armv6l
user=pi
uid=1000
home=/home/pi
root=asks
with=sudo
manager=systemd
dir=/home/pi/./it's = a garden
dir_is=none
room=/dev/root   30000000 1000 20000 6% /
ota=/usr/local/bin/ota
version=ota 0.1.0 (go1.26, linux/arm)
sum=abc  /usr/local/bin/ota
answers=no
place=/home/pi
runs=yes
free=//nas/with blank 100 50 25 50% /home
place=/tmp
runs=no
free=
ota-has-looked
`

func TestParseDevice(t *testing.T) {
	d, err := parseDevice(answer)
	if err != nil {
		t.Fatal(err)
	}
	if d.Dir != "/home/pi/it's = a garden" || d.With != "sudo" || d.Room.Free != 20000<<10 {
		t.Errorf("%+v", d)
	}
	if want := []Installed{{"/usr/local/bin/ota", "0.1.0", "abc"}}; !slices.Equal(d.Found, want) {
		t.Errorf("%+v", d.Found)
	}
	if want := []Place{{"/home/pi", true, 25 << 10, "/home"}, {"/tmp", false, -1, ""}}; !slices.Equal(d.Places, want) {
		t.Errorf("%+v", d.Places)
	}
	if _, err := parseDevice(strings.TrimSuffix(answer, "ota-has-looked\n")); err == nil {
		t.Error("half an answer is taken")
	}
}

// FuzzParseDevice: a device may say what it likes.
func FuzzParseDevice(f *testing.F) {
	f.Add(answer)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDevice(text)
		if err != nil {
			return
		}
		if !filepath.IsAbs(d.Dir) || d.Room.Free < -1 {
			t.Errorf("%+v", d)
		}
		_, _ = d.Kinds()
		_, _ = d.placeFor(1)
	})
}

// elf is the beginning of a program for ARM.
const elf = "\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00"

func TestFindBinary(t *testing.T) {
	dir := t.TempDir()
	pack(t, filepath.Join(dir, "ota-0.1.0-linux-armv6.tar.gz"), "ota-0.1.0-linux-armv6/ota", elf+"old")
	pack(t, filepath.Join(dir, "ota-0.2.0-linux-armv6.tar.gz"), "ota-0.2.0-linux-armv6/ota", elf+"new")
	kinds := []string{"linux-armv7", "linux-armv6"}
	got, err := findBinary(kinds, []string{t.TempDir(), dir}, "")
	if err != nil || string(got.Bytes) != elf+"new" || got.Kind != "linux-armv6" {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ota-linux-armv6"), []byte(elf+"plain"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := findBinary(kinds, []string{dir}, ""); err != nil || string(got.Bytes) != elf+"plain" {
		t.Errorf("%+v, %v", got, err)
	}
	pack(t, filepath.Join(dir, "ota-0.2.0-linux-arm64.tar.gz"), "ota-0.2.0-linux-arm64/ota", elf)
	if _, err := findBinary([]string{"linux-arm64"}, []string{dir}, ""); err == nil || !strings.Contains(err.Error(), "is no program for linux-arm64") {
		t.Error(err)
	}
	pack(t, filepath.Join(dir, "ota-0.2.0-linux-riscv64.tar.gz"), "README", "x")
	if _, err := findBinary([]string{"linux-riscv64"}, []string{dir}, ""); err == nil || !strings.Contains(err.Error(), "is not in it") {
		t.Error(err)
	}
	if _, err := findBinary([]string{"linux-amd64"}, []string{dir}, ""); err == nil || !strings.Contains(err.Error(), "there is no ota-linux-amd64 in "+dir) {
		t.Error(err)
	}
}

func pack(t *testing.T, path, name, text string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	zipped := gzip.NewWriter(file)
	defer zipped.Close()
	archive := tar.NewWriter(zipped)
	defer archive.Close()
	if err := archive.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o755, Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if _, err := archive.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

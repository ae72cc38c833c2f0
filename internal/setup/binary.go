package setup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"ota/internal/kit/hint"
)

// Binary is an ota to be copied.
type Binary struct {
	From  string // the file, on this computer
	Kind  string // linux-armv6
	Bytes []byte
	Sum   string // SHA-256
}

// biggest is more than any ota has.
const biggest = 64 << 20

// findBinary returns the best of these kinds that is in one of the folders, or
// is this program itself.
func findBinary(kinds, folders []string, own string) (*Binary, error) {
	for _, kind := range kinds {
		for _, folder := range folders {
			found, err := lookIn(folder, kind)
			if err != nil || found != nil {
				return found, err
			}
		}
		if own != "" && kind == ownKind() {
			text, err := os.ReadFile(own)
			if err != nil {
				return nil, fmt.Errorf("cannot read this program: %w", err)
			}
			return newBinary(own, kind, text)
		}
	}
	return nil, hint.With(
		fmt.Errorf("there is no ota-%s in %s", kinds[0], strings.Join(folders, " or ")),
		fmt.Sprintf(`put ota-%s there, or the .tar.gz for %[1]s ("make packages" makes them); or name their folder: --binaries DIR`, kinds[0]))
}

// lookIn looks for the file and for the archive of a release; of several
// archives the last by name.
func lookIn(folder, kind string) (*Binary, error) {
	path := filepath.Join(folder, "ota-"+kind)
	text, err := os.ReadFile(path)
	if err == nil {
		return newBinary(path, kind, text)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot read the ota for the device: %w", err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("cannot look for the ota for the device: %w", err)
	}
	for _, entry := range slices.Backward(entries) {
		name := entry.Name()
		if !strings.HasPrefix(name, "ota-") || !strings.HasSuffix(name, "-"+kind+".tar.gz") {
			continue
		}
		path := filepath.Join(folder, name)
		text, err := unpack(path, strings.TrimSuffix(name, ".tar.gz")+"/ota")
		if err != nil {
			return nil, fmt.Errorf("cannot take ota out of %s: %w", path, err)
		}
		return newBinary(path, kind, text)
	}
	return nil, nil
}

// unpack returns one file of an archive.
func unpack(path, wanted string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	archive := tar.NewReader(unzipped)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s is not in it", wanted)
		}
		if err != nil {
			return nil, err
		}
		if strings.TrimPrefix(header.Name, "./") == wanted && header.Typeflag == tar.TypeReg {
			return io.ReadAll(io.LimitReader(archive, biggest))
		}
	}
}

// newBinary refuses what can't be for the machine, before it is copied.
func newBinary(path, kind string, text []byte) (*Binary, error) {
	if is := machineOf(text); is != machines[kind] {
		return nil, hint.With(fmt.Errorf("%s is no program for %s", path, kind), "build it anew; or take another folder: --binaries DIR")
	}
	sum := sha256.Sum256(text)
	return &Binary{From: path, Kind: kind, Bytes: text, Sum: hex.EncodeToString(sum[:])}, nil
}

// machine is the class and the machine of an ELF file (elf(5)).
type machine struct {
	class byte
	code  uint16
}

var machines = map[string]machine{
	"linux-amd64": {2, 62}, "linux-arm64": {2, 183}, "linux-riscv64": {2, 243},
	"linux-armv7": {1, 40}, "linux-armv6": {1, 40}, "linux-armv5": {1, 40},
}

// machineOf reads it; the zero value is that of no ELF file for such machines.
func machineOf(text []byte) machine {
	const little = 1
	if len(text) < 20 || !bytes.HasPrefix(text, []byte("\x7fELF")) || text[5] != little {
		return machine{}
	}
	return machine{text[4], binary.LittleEndian.Uint16(text[18:])}
}

// ownKind is the kind of this program itself.
func ownKind() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	var system, arch, arm string
	for _, setting := range info.Settings {
		switch setting.Key {
		case "GOOS":
			system = setting.Value
		case "GOARCH":
			arch = setting.Value
		case "GOARM":
			arm, _, _ = strings.Cut(setting.Value, ",")
		}
	}
	if arch == "arm" {
		arch = "armv" + arm
	}
	return system + "-" + arch
}

package device

import (
	"os"
	"path/filepath"
	"testing"
	"unsafe"
)

func TestTheFirmwaresAnswer(t *testing.T) {
	asked := throttledQuestion()
	if want := (message{28, 0, 0x30046, 4, 0, 0, 0}); asked != want {
		t.Errorf("it is asked %x, want %x", asked, want)
	}
	// As _IOWR makes it where a pointer has four bytes, and where it has eight.
	if want := map[uintptr]uintptr{4: 0xc0046400, 8: 0xc0086400}[unsafe.Sizeof(uintptr(0))]; mailboxProperty != want {
		t.Errorf("the request is %#x, want %#x", uint64(mailboxProperty), want)
	}
	for _, test := range []struct {
		said  message
		bits  uint32
		known bool
	}{
		{message{28, 1 << 31, 0x30046, 4, 1<<31 | 4, 0x50005, 0}, 0x50005, true},
		{message{28, 1 << 31, 0x30046, 4, 1<<31 | 4, 0, 0}, 0, true},
		{message{28, 1 << 31, 0x30046, 4, 0, 0, 0}, 0, false},           // a firmware that does not know it
		{message{28, 1<<31 | 1, 0x30046, 4, 1<<31 | 4, 5, 0}, 0, false}, // an error
		{asked, 0, false}, // nobody has answered
	} {
		bits, known := throttledAnswer(test.said)
		if known != test.known || known && bits != test.bits {
			t.Errorf("%x: %#x, %v", test.said, bits, known)
		}
	}
}

func TestNoFirmwareToAsk(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vcio")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, file + "-gone", t.TempDir(), "/dev/null"} {
		if bits, known := askFirmware(path); known {
			t.Errorf("%s says %#x", path, bits)
		}
	}
}

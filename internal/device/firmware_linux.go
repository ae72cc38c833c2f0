package device

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What is said to the firmware of a Raspberry Pi through its mailbox:
// https://github.com/raspberrypi/firmware/wiki/Mailbox-property-interface
const (
	throttledTag = 0x00030046 // what vcgencmd get_throttled asks
	answered     = 1 << 31    // in the code of a message, and in that of a tag
	// mailboxProperty is _IOWR(100, 0, char *) of drivers/char/broadcom/vcio.c
	// in github.com/raspberrypi/linux; the size of a pointer is in it.
	mailboxProperty = 3<<30 | unsafe.Sizeof(uintptr(0))<<16 | 100<<8
)

// message is one question: its size, its code, one tag with its size, its code
// and its value, and the end.
type message [7]uint32

// throttledQuestion asks for the bits and clears none.
func throttledQuestion() message {
	return message{uint32(unsafe.Sizeof(message{})), 0, throttledTag, 4, 0, 0, 0}
}

// throttledAnswer reads the bits, if the firmware has understood.
func throttledAnswer(m message) (bits uint32, known bool) {
	return m[5], m[1] == answered && m[2] == throttledTag && m[4]&answered != 0
}

// askFirmware returns the bits of get_throttled. The group video may ask.
func askFirmware(path string) (bits uint32, known bool) {
	mailbox, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return 0, false
	}
	defer mailbox.Close()
	if info, err := mailbox.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return 0, false
	}
	said := throttledQuestion()
	_, _, failed := unix.Syscall(unix.SYS_IOCTL, mailbox.Fd(), mailboxProperty, uintptr(unsafe.Pointer(&said)))
	if failed != 0 {
		return 0, false
	}
	return throttledAnswer(said)
}

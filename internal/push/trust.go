package push

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"

	"ota/internal/kit/fingerprint"
)

// Fingerprint is the SHA-256 of a certificate, as `ota status` shows it: 32 bytes
// in capital hexadecimal digits with colons between. Empty: none.
type Fingerprint string

// ParseFingerprint reads one as people copy it: with or without colons or blanks, in small or
// capital letters, and with SHA256: before it.
func ParseFingerprint(text string) (Fingerprint, error) {
	digits := strings.ToUpper(strings.TrimSpace(text))
	digits = strings.NewReplacer(":", "", " ", "").Replace(strings.TrimPrefix(digits, "SHA256:"))
	sum, err := hex.DecodeString(digits)
	if err != nil || len(sum) != sha256.Size {
		return "", fmt.Errorf("%q is no SHA-256 of a certificate", text)
	}
	return Fingerprint(fingerprint.Text([sha256.Size]byte(sum))), nil
}

func fingerprintOf(certificate *x509.Certificate) Fingerprint {
	return Fingerprint(fingerprint.Of(certificate.Raw))
}

// stranger is the error for a certificate for which nobody vouches.
type stranger struct {
	host  string
	shown Fingerprint
}

func (s *stranger) Error() string {
	return "the certificate of " + s.host + " is not known here; its SHA-256 is " + string(s.shown)
}

// Hint says how to make it known.
func (s *stranger) Hint() string {
	return `if "ota status" on the device shows the same: --fingerprint ` + string(s.shown)
}

// changed is the error for a certificate that is another one than it was.
type changed struct {
	host  string
	shown Fingerprint
}

func (c *changed) Error() string {
	return "THE CERTIFICATE OF " + c.host + " IS NOT THE ONE THAT IT WAS: somebody may stand in between, and nothing was sent. The SHA-256 of this one is " + string(c.shown)
}

// Hint says how to take the new one.
func (c *changed) Hint() string {
	return `only if "ota status" on the device shows the same, which was set up anew then: --fingerprint ` + string(c.shown)
}

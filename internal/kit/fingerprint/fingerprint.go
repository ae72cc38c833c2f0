// Package fingerprint writes the SHA-256 of a certificate as browsers show it.
//
// In: a certificate, or its sum. Out: capital hexadecimal digits in pairs, with
// colons between. Never: a judgement of whom it is from.
package fingerprint

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// Of returns that of a certificate in DER.
func Of(certificate []byte) string { return Text(sha256.Sum256(certificate)) }

// Text writes a sum.
func Text(sum [sha256.Size]byte) string {
	return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":")
}

// Package sshsig checks signatures that "ssh-keygen -Y sign" makes.
//
// In: the signed bytes, a signature file, and a list of keys in OpenSSH's
// allowed_signers format. Out: whose signatures they are. Never: a private key
// (signing is ssh-keygen's own business, with its agent and hardware keys),
// SHA-1, an RSA key below 2048 bits, certificates, or trust in a clock that
// nobody vouches for.
//
// The format is that of OpenSSH's PROTOCOL.sshsig; hardware keys are those of
// its PROTOCOL.u2f. All of it is decoded within bounds: a signature is checked
// before anything else of a release is read.
package sshsig

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
)

const (
	// LongestFile is how large a file of signatures may be.
	LongestFile = 64 << 10
	// mostSignatures is how many signatures a file may hold.
	mostSignatures = 16
	// magic begins a signature, and what is signed (MAGIC_PREAMBLE).
	magic   = "SSHSIG"
	version = 1

	begin = "-----BEGIN SSH SIGNATURE-----"
	end   = "-----END SSH SIGNATURE-----"
)

// Signature is one signature, decoded and not yet checked.
type Signature struct {
	Key       Key
	namespace string
	hash      string
	signed    []byte // in the format of the key's algorithm
}

// Parse reads a file of signatures, one armoured block after the other, as they
// come from joining the files that several people have made.
func Parse(file []byte) ([]Signature, error) {
	if len(file) > LongestFile {
		return nil, fmt.Errorf("it is longer than the %d bytes that signatures may have", LongestFile)
	}
	var found []Signature
	for rest := bytes.TrimSpace(file); len(rest) > 0; rest = bytes.TrimSpace(rest) {
		if len(found) == mostSignatures {
			return nil, fmt.Errorf("it holds more than %d signatures", mostSignatures)
		}
		body, begins := bytes.CutPrefix(rest, []byte(begin))
		if !begins {
			return nil, fmt.Errorf("it does not begin with %q", begin)
		}
		text, after, ends := bytes.Cut(body, []byte(end))
		if !ends {
			return nil, fmt.Errorf("it is cut off: there is no %q", end)
		}
		one, err := decode(text)
		if err != nil {
			return nil, err
		}
		found, rest = append(found, one), after
	}
	if len(found) == 0 {
		return nil, errors.New("there is no signature in it")
	}
	return found, nil
}

// Others returns a file of signatures without those of one key, and without those
// that are not of the message: what nobody could take any more.
func Others(file []byte, key Key, namespace string, message []byte) []byte {
	var kept []byte
	for block := range bytes.SplitAfterSeq(file, []byte(end)) {
		found, err := Parse(block)
		if err == nil && !found[0].Key.Equal(key) && found[0].Check(namespace, message) == nil {
			kept = append(append(kept, bytes.TrimSpace(block)...), '\n')
		}
	}
	return kept
}

// decode reads what stands between the lines of dashes.
func decode(text []byte) (Signature, error) {
	text = bytes.Join(bytes.Fields(text), nil)
	blob := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(blob, text)
	if err != nil {
		return Signature{}, errors.New("it is damaged: not base64")
	}
	in := wire{rest: blob[:n]}
	if !bytes.Equal(in.take(len(magic)), []byte(magic)) {
		return Signature{}, errors.New(`it is damaged: "SSHSIG" is missing`)
	}
	if found := in.number(); in.ok() && found != version {
		return Signature{}, fmt.Errorf("it has version %d of the format; only version %d is known", found, version)
	}
	key := in.text()
	one := Signature{namespace: string(in.text())}
	in.text() // reserved
	one.hash = string(in.text())
	one.signed = in.text()
	if !in.done() {
		return Signature{}, errors.New("it is damaged: a length is wrong")
	}
	one.Key, err = parseKey(key)
	return one, err
}

// Check compares the signature with the bytes that it is said to be of.
func (s Signature) Check(namespace string, message []byte) error {
	if s.namespace != namespace {
		return fmt.Errorf("it was made for %q, not for %q", s.namespace, namespace)
	}
	var sum []byte
	switch s.hash {
	case "sha256":
		found := sha256.Sum256(message)
		sum = found[:]
	case "sha512":
		found := sha512.Sum512(message)
		sum = found[:]
	default:
		return fmt.Errorf("it uses the hash %q; sha256 and sha512 are known", s.hash)
	}
	signed := []byte(magic)
	signed = appendText(signed, []byte(namespace))
	signed = appendText(signed, nil) // reserved
	signed = appendText(signed, []byte(s.hash))
	signed = appendText(signed, sum)
	return s.Key.verify(signed, s.signed)
}

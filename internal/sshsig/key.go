package sshsig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Algorithms of keys.
const (
	ed25519Key   = "ssh-ed25519"
	rsaKey       = "ssh-rsa"
	ecdsaPrefix  = "ecdsa-sha2-"
	skEd25519Key = "sk-ssh-ed25519@openssh.com"
	skECDSAKey   = "sk-ecdsa-sha2-nistp256@openssh.com"
)

const (
	fewestRSABits = 2048
	mostRSABits   = 16384
)

// curve is one of the elliptic curves of RFC 5656 with its hash.
type curve struct {
	curve elliptic.Curve
	hash  crypto.Hash
}

var curves = map[string]curve{
	"nistp256": {elliptic.P256(), crypto.SHA256},
	"nistp384": {elliptic.P384(), crypto.SHA384},
	"nistp521": {elliptic.P521(), crypto.SHA512},
}

// errWrong is the error for a signature that is not of these bytes and this key.
var errWrong = errors.New("it does not belong to these bytes: they, or it, were changed")

// Key is a public key.
type Key struct {
	algorithm   string
	blob        []byte // as OpenSSH writes it: two keys are the same if these are
	application []byte // of a hardware key
	curve       curve
	ed25519     ed25519.PublicKey
	ecdsa       *ecdsa.PublicKey
	rsa         *rsa.PublicKey
}

// Fingerprint is how "ssh-keygen -l" names a key.
func (k Key) Fingerprint() string {
	sum := sha256.Sum256(k.blob)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// Equal reports whether two keys are the same one.
func (k Key) Equal(other Key) bool { return string(k.blob) == string(other.blob) }

// parseKey reads a public key in OpenSSH's format.
func parseKey(blob []byte) (Key, error) {
	in := wire{rest: blob}
	key := Key{algorithm: string(in.text()), blob: blob}
	var err error
	switch {
	case !in.ok():
	case key.algorithm == ed25519Key || key.algorithm == skEd25519Key:
		key.ed25519 = in.text()
		if in.ok() && len(key.ed25519) != ed25519.PublicKeySize {
			err = errors.New("the ed25519 key has a wrong length")
		}
	case key.algorithm == rsaKey:
		key.rsa, err = parseRSA(&in)
	case key.algorithm == skECDSAKey || strings.HasPrefix(key.algorithm, ecdsaPrefix):
		err = key.parseECDSA(&in)
	case strings.Contains(key.algorithm, "-cert-v"):
		err = fmt.Errorf("the key is a certificate (%q), which is not taken: list the key itself", key.algorithm)
	default:
		err = fmt.Errorf("keys of the kind %q are not taken", key.algorithm)
	}
	if err != nil {
		return Key{}, err
	}
	if key.isHardware() {
		key.application = in.text()
	}
	if !in.done() {
		return Key{}, errors.New("the key is damaged: a length is wrong")
	}
	return key, nil
}

func parseRSA(in *wire) (*rsa.PublicKey, error) {
	e, n := in.positive(), in.positive()
	if !in.ok() {
		return nil, nil
	}
	if bits := n.BitLen(); bits < fewestRSABits || bits > mostRSABits {
		return nil, fmt.Errorf("an RSA key of %d bits is not taken: %d are the fewest, %d the most", bits, fewestRSABits, mostRSABits)
	}
	if !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 || e.Bit(0) == 0 {
		return nil, errors.New("the RSA key's exponent is not taken")
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

func (k *Key) parseECDSA(in *wire) error {
	name := string(in.text())
	found, known := curves[name]
	point := in.text()
	switch {
	case !in.ok():
		return nil
	case !known:
		return fmt.Errorf("the curve %q is not taken", name)
	case k.algorithm != skECDSAKey && k.algorithm != ecdsaPrefix+name, k.algorithm == skECDSAKey && name != "nistp256":
		return errors.New("the key is damaged: its curve is not that of its kind")
	}
	public, err := ecdsa.ParseUncompressedPublicKey(found.curve, point)
	if err != nil {
		return errors.New("the ECDSA key is no point on its curve")
	}
	k.curve, k.ecdsa = found, public
	return nil
}

func (k *Key) isHardware() bool { return k.algorithm == skEd25519Key || k.algorithm == skECDSAKey }

// verify checks a signature in the format of RFC 4253, section 6.6.
func (k Key) verify(message, signature []byte) error {
	in := wire{rest: signature}
	algorithm, value := string(in.text()), in.text()
	if k.isHardware() {
		flags := in.octet()
		counter := in.take(4)
		if in.ok() && flags&userPresent == 0 {
			return errors.New("nobody touched the hardware key when it signed")
		}
		message = hardwareMessage(k.application, flags, counter, message)
	}
	if !in.done() {
		return errors.New("it is damaged: a length is wrong")
	}
	if k.rsa == nil && algorithm != k.algorithm {
		return fmt.Errorf("it is a %q signature of a %q key", algorithm, k.algorithm)
	}
	right := false
	switch {
	case k.rsa != nil:
		return verifyRSA(k.rsa, algorithm, message, value)
	case k.ecdsa != nil:
		right = k.verifyECDSA(message, value)
	default:
		right = ed25519.Verify(k.ed25519, message, value)
	}
	if !right {
		return errWrong
	}
	return nil
}

// userPresent is the flag by which a hardware key says that it was touched.
const userPresent = 0x01

// hardwareMessage is what a hardware key signs (PROTOCOL.u2f).
func hardwareMessage(application []byte, flags byte, counter, message []byte) []byte {
	of, sum := sha256.Sum256(application), sha256.Sum256(message)
	signed := append(of[:], flags)
	signed = append(signed, counter...)
	return append(signed, sum[:]...)
}

func (k *Key) verifyECDSA(message, value []byte) bool {
	in := wire{rest: value}
	r, s := in.positive(), in.positive()
	return in.done() && ecdsa.Verify(k.ecdsa, digest(k.curve.hash, message), r, s)
}

func verifyRSA(key *rsa.PublicKey, algorithm string, message, value []byte) error {
	hash := crypto.SHA512
	switch algorithm {
	case "rsa-sha2-512":
	case "rsa-sha2-256":
		hash = crypto.SHA256
	default:
		return fmt.Errorf("RSA signatures of the kind %q are not taken: rsa-sha2-256 and rsa-sha2-512 are", algorithm)
	}
	if rsa.VerifyPKCS1v15(key, hash, digest(hash, message), value) != nil {
		return errWrong
	}
	return nil
}

func digest(hash crypto.Hash, message []byte) []byte {
	switch hash {
	case crypto.SHA384:
		sum := sha512.Sum384(message)
		return sum[:]
	case crypto.SHA512:
		sum := sha512.Sum512(message)
		return sum[:]
	default:
		sum := sha256.Sum256(message)
		return sum[:]
	}
}

package sshsig

import (
	"encoding/binary"
	"math/big"
)

// wire reads the data types of RFC 4251, section 5. After the first wrong
// length it gives nothing any more.
type wire struct {
	rest   []byte
	broken bool
}

func (w *wire) take(n int) []byte {
	if w.broken || n < 0 || n > len(w.rest) {
		w.broken = true
		return nil
	}
	taken := w.rest[:n:n]
	w.rest = w.rest[n:]
	return taken
}

func (w *wire) octet() byte {
	if one := w.take(1); one != nil {
		return one[0]
	}
	return 0
}

func (w *wire) number() uint32 {
	if four := w.take(4); four != nil {
		return binary.BigEndian.Uint32(four)
	}
	return 0
}

func (w *wire) text() []byte {
	n := w.number()
	if uint64(n) > uint64(len(w.rest)) {
		w.broken = true
		return nil
	}
	return w.take(int(n))
}

// positive reads an mpint that is neither negative nor written with zeros that
// it does not need: there is one way to write each.
func (w *wire) positive() *big.Int {
	raw := w.text()
	switch {
	case w.broken:
	case len(raw) == 0, raw[0]&0x80 != 0, raw[0] == 0 && (len(raw) == 1 || raw[1]&0x80 == 0):
		w.broken = true
	default:
		return new(big.Int).SetBytes(raw)
	}
	return new(big.Int)
}

func (w *wire) ok() bool { return !w.broken }

// done reports whether all was read, and nothing is left.
func (w *wire) done() bool { return !w.broken && len(w.rest) == 0 }

func appendText(to, text []byte) []byte {
	to = binary.BigEndian.AppendUint32(to, uint32(len(text)))
	return append(to, text...)
}

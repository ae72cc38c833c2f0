package access

import (
	"crypto/rand"
	"crypto/subtle"
	"strings"
	"time"
)

const (
	linkPrefix = "link_"
	linkTime   = 10 * time.Minute
	maxLinks   = 16
)

// link is one that nobody has used yet.
type link struct {
	hash  digest
	until time.Duration
}

// isLink tells the code of a link from everything else that somebody may show.
func isLink(code string) bool {
	rest, ok := strings.CutPrefix(code, linkPrefix)
	return ok && len(rest) == len(newSecret()) && !strings.ContainsFunc(rest, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < '2' || r > '7')
	})
}

// NewLink returns a code that logs in once, within ten minutes.
func (k *Keeper) NewLink() (code string) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if len(k.links) == maxLinks {
		k.links = remove(k.links, 0)
	}
	code = linkPrefix + newSecret()
	k.links = append(k.links, link{digestOf(code), k.now() + linkTime})
	return code
}

// takeLink reports whether a link lets in, which it does once.
func (k *Keeper) takeLink(code string) bool {
	at := find(k.links, digestOf(code), func(l link) digest { return l.hash })
	if at < 0 {
		return false
	}
	until := k.links[at].until
	k.links = remove(k.links, at)
	return k.now() < until
}

const (
	pairLetters = 8
	pairTime    = 5 * time.Minute
	pairTries   = 5
)

// pairAlphabet has no vowels, so no words, and no two letters that look alike
// (RFC 8628, section 6.1): 34 bits, of which five can be tried.
const pairAlphabet = "BCDFGHJKLMNPQRSTVWXZ"

// pairing is the pairing code that is valid now.
type pairing struct {
	letters string
	until   time.Duration
	wrong   int
}

// Pair returns a code that a person can type, as XXXX-XXXX. It logs in once,
// within five minutes. One before it is void.
func (k *Keeper) Pair() (code string, until time.Time) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	letters := newLetters()
	k.pair = &pairing{letters: letters, until: k.now() + pairTime}
	return letters[:pairLetters/2] + "-" + letters[pairLetters/2:], k.wall().Add(pairTime)
}

// newLetters leaves out the bytes that would make some letters more likely.
func newLetters() string {
	const fair = 256 / len(pairAlphabet) * len(pairAlphabet)
	letters := make([]byte, 0, pairLetters)
	for one := make([]byte, 1); len(letters) < pairLetters; {
		rand.Read(one) // never fails (crypto/rand)
		if int(one[0]) < fair {
			letters = append(letters, pairAlphabet[int(one[0])%len(pairAlphabet)])
		}
	}
	return string(letters)
}

// takePair reports whether a code is the pairing code, which lets in once. What
// looks like one and is another counts against it.
func (k *Keeper) takePair(code string) bool {
	if k.pair != nil && k.now() >= k.pair.until {
		k.pair = nil
	}
	letters, looksIt := pairOf(code)
	if k.pair == nil || !looksIt {
		return false
	}
	if subtle.ConstantTimeCompare([]byte(letters), []byte(k.pair.letters)) == 1 {
		k.pair = nil
		return true
	}
	if k.pair.wrong++; k.pair.wrong == pairTries {
		k.pair = nil
		k.log.Warn("the pairing code is void after too many wrong tries")
	}
	return false
}

// pairOf reads a code as a person types it.
func pairOf(code string) (letters string, ok bool) {
	const typed = 2*pairLetters - 1 // a dash after each letter is enough
	if len(code) > typed {
		return "", false
	}
	letters = strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code))
	return letters, len(letters) == pairLetters && strings.Trim(letters, pairAlphabet) == ""
}

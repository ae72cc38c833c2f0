package venv

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"ota/internal/kit/pattern"
)

// version is one after PEP 440, without its local part.
type version struct {
	epoch   uint64
	release []uint64
	// The rest, ordered as the numbers are: a pre-release is negative.
	pre, preNumber   int64
	post, postNumber int64
	dev, devNumber   int64
}

var versionPattern = pattern.New(`(?i)^v?(?:(\d+)!)?(\d+(?:\.\d+)*)` +
	`(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?(\d*))?` +
	`(-\d+|[-_.]?(?:post|rev|r)[-_.]?\d*)?(?:[-_.]?(dev)[-_.]?(\d*))?(?:\+[a-z0-9._-]*)?$`)

func parseVersion(text string) (version, bool) {
	m := versionPattern.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return version{}, false
	}
	var v version
	v.epoch = number(m[1])
	for one := range strings.SplitSeq(m[2], ".") {
		v.release = append(v.release, number(one))
	}
	switch strings.ToLower(m[3]) {
	case "a", "alpha":
		v.pre = -3
	case "b", "beta":
		v.pre = -2
	case "c", "rc", "pre", "preview":
		v.pre = -1
	}
	v.preNumber = int64(number(m[4]))
	if m[5] != "" {
		v.post = 1
		v.postNumber = int64(number(strings.TrimLeft(m[5], "-_.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")))
	}
	if m[6] != "" {
		v.dev, v.devNumber = -1, int64(number(m[7]))
		if v.pre == 0 && v.post == 0 {
			v.pre = -4 // 1.0.dev1 is before 1.0a1
		}
	}
	return v, true
}

// number is that of digits; as much as there is room for, if they are too many.
func number(digits string) uint64 {
	n, _ := strconv.ParseUint(digits, 10, 63) // none are 0
	return n
}

func compareVersions(a, b version) int {
	return cmp.Or(
		cmp.Compare(a.epoch, b.epoch),
		compareReleases(a.release, b.release),
		cmp.Compare(a.pre, b.pre), cmp.Compare(a.preNumber, b.preNumber),
		cmp.Compare(a.post, b.post), cmp.Compare(a.postNumber, b.postNumber),
		cmp.Compare(a.dev, b.dev), cmp.Compare(a.devNumber, b.devNumber),
	)
}

// compareReleases takes 3.8 and 3.8.0 for the same.
func compareReleases(a, b []uint64) int {
	n := max(len(a), len(b))
	return slices.Compare(padded(a, n), padded(b, n))
}

func padded(release []uint64, n int) []uint64 {
	return append(slices.Clone(release), make([]uint64, n-len(release))...)
}

var specifierPattern = pattern.New(`^\s*(===|==|~=|!=|<=|>=|<|>)\s*([^\s,;]+)\s*$`)

// satisfies says whether a version is one of those that specifiers such as
// ">=3.8,<4" allow; false for ok if it can't be told.
func satisfies(text, specifiers string) (allowed, ok bool) {
	allowed = true
	for one := range strings.SplitSeq(specifiers, ",") {
		if strings.TrimSpace(one) == "" {
			continue
		}
		m := specifierPattern.FindStringSubmatch(one)
		if m == nil {
			return true, false
		}
		matches, known := compareBy(text, m[1], m[2])
		if !known {
			return true, false
		}
		allowed = allowed && matches
	}
	return allowed, true
}

// compareBy applies one operator of PEP 440; false for ok if one of the two is
// no version.
func compareBy(left, operator, right string) (result, ok bool) {
	prefix, isPrefix := strings.CutSuffix(right, ".*")
	l, okLeft := parseVersion(left)
	r, okRight := parseVersion(prefix)
	if !okLeft || !okRight || isPrefix && operator != "==" && operator != "!=" {
		return false, false
	}
	order := compareVersions(l, r)
	if isPrefix {
		order = compareReleases(padded(l.release, max(len(l.release), len(r.release)))[:len(r.release)], r.release)
	}
	switch operator {
	case "==", "===":
		return order == 0, true
	case "!=":
		return order != 0, true
	case "<":
		return order < 0, true
	case "<=":
		return order <= 0, true
	case ">":
		return order > 0, true
	case ">=":
		return order >= 0, true
	case "~=":
		n := len(r.release) - 1
		if n < 1 {
			return false, false
		}
		head := padded(l.release, max(len(l.release), n))[:n]
		return order >= 0 && slices.Equal(head, r.release[:n]), true
	}
	return false, false
}

// Package links tells whether symbolic links stay in their tree.
//
// In: a link, and how to look up others. Out: whether following it ever leaves
// the tree. Never: a look at the disk.
package links

import "strings"

// Way is where a link leads.
type Way string

// The ways.
const (
	Stays  Way = "stays"  // inside the tree
	Leaves Way = "leaves" // it, or a link on its way
)

// mostExpanded is how many links the kernel follows before it gives up
// (path_resolution(7)); a way with more of them leads nowhere.
const mostExpanded = 40

// Follow tells where the link at a path leads, as the kernel would go: links on
// the way are followed where they stand, so that ".." is meant from there.
// target is the target of the link at a path of the tree, if there is one; what
// is no link is taken for a folder.
func Follow(at string, target func(at string) (to string, isLink bool)) Way {
	first, _ := target(at)
	if lexically(at, first) == Leaves {
		return Leaves
	}
	here := strings.Split(at, "/")
	here = here[:len(here)-1]
	ahead := strings.Split(first, "/")
	expanded := 0
	for len(ahead) > 0 {
		name := ahead[0]
		ahead = ahead[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			if len(here) == 0 {
				return Leaves
			}
			here = here[:len(here)-1]
			continue
		}
		here = append(here, name)
		to, isLink := target(strings.Join(here, "/"))
		if !isLink {
			continue
		}
		if expanded++; expanded > mostExpanded {
			return Stays
		}
		if strings.HasPrefix(to, "/") {
			return Leaves
		}
		here = here[:len(here)-1]
		ahead = append(strings.Split(to, "/"), ahead...)
	}
	return Stays
}

// lexically is Follow for who looks at nothing but the text.
func lexically(at, target string) Way {
	if strings.HasPrefix(target, "/") {
		return Leaves
	}
	depth := strings.Count(at, "/")
	for name := range strings.SplitSeq(target, "/") {
		switch name {
		case "", ".":
		case "..":
			depth--
		default:
			depth++
		}
		if depth < 0 {
			return Leaves
		}
	}
	return Stays
}

package deposit

import "strings"

// escape is where a link leads.
type escape string

const (
	stays  escape = "stays"  // inside the tree
	leaves escape = "leaves" // it, or a link on its way
)

// mostExpanded is how many links the kernel follows before it gives up
// (path_resolution(7)); a way with more of them leads nowhere.
const mostExpanded = 40

// follow tells where a link of the upload leads, as the kernel would go: links
// on the way are followed where they stand, so that ".." is meant from there.
// targets has the upload's links by path. What is not in the upload is taken
// for a folder.
func follow(targets map[string]string, at string) escape {
	if lexically(at, targets[at]) == leaves {
		return leaves
	}
	here := strings.Split(at, "/")
	here = here[:len(here)-1]
	ahead := strings.Split(targets[at], "/")
	expanded := 0
	for len(ahead) > 0 {
		name := ahead[0]
		ahead = ahead[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			if len(here) == 0 {
				return leaves
			}
			here = here[:len(here)-1]
			continue
		}
		here = append(here, name)
		target, isLink := targets[strings.Join(here, "/")]
		if !isLink {
			continue
		}
		if expanded++; expanded > mostExpanded {
			return stays
		}
		if strings.HasPrefix(target, "/") {
			return leaves
		}
		here = here[:len(here)-1]
		ahead = append(strings.Split(target, "/"), ahead...)
	}
	return stays
}

// lexically is follow for who looks at nothing but the text.
func lexically(at, target string) escape {
	if strings.HasPrefix(target, "/") {
		return leaves
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
			return leaves
		}
	}
	return stays
}

package check

import (
	"fmt"
	"maps"
	"slices"

	"ota/internal/kit/beneath"
	"ota/internal/kit/links"
	"ota/internal/reason"
)

// Links looks for links of an upload that lead out of the folder main, or would
// over links that are there already; alone the upload doesn't show that. upload
// has the targets of its links by path, and "" for its other paths. An error
// means that main could not be opened.
func Links(main string, upload map[string]string) ([]reason.Reason, error) {
	tree, err := beneath.Open(main)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	target := func(at string) (string, bool) {
		if to, arrives := upload[at]; arrives {
			return to, to != ""
		}
		return linkBelow(tree, at)
	}
	var doubts []reason.Reason
	for _, at := range slices.Sorted(maps.Keys(upload)) {
		if upload[at] != "" && links.Follow(at, target) == links.Leaves {
			message := fmt.Sprintf("a symbolic link to %q leads out of main/, which is not allowed", upload[at])
			doubts = append(doubts, reason.Reason{Path: at, Message: message})
		}
	}
	return doubts, nil
}

// linkBelow is the target of the link at a path. What can't be looked at leads
// nowhere.
func linkBelow(main *beneath.Tree, at string) (to string, isLink bool) {
	parent, name, err := main.Parent(at)
	if err != nil {
		return "", false
	}
	to, err = parent.Readlink(name)
	return to, err == nil
}

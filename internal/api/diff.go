package api

// DiffRequest says what to compare. Without numbers it is the current release
// with the one it was laid over; with From alone, that one with the current
// release; with To alone, the one it was laid over with that one.
type DiffRequest struct {
	From, To int  // 0: not said
	Patch    bool // with what changed inside the files
	Hide     bool // but not inside those that must not be seen, see [Files]
}

// Diff is what `ota diff --json` prints.
type Diff struct {
	From  int            `json:"from"` // 0: nothing at all
	To    int            `json:"to"`
	Files List[FileDiff] `json:"files"`
}

// FileDiff is a file by which two releases differ.
type FileDiff struct {
	Path   Path       `json:"path"`
	Change ChangeKind `json:"change"`
	Patch  *string    `json:"patch"` // unified; nil: not asked for, or there is none
	Note   *string    `json:"note"`  // what a patch can't say, or why there is none
}

package api

// Verification is what `ota verify --json` prints.
type Verification struct {
	Contents int              `json:"contents"` // looked at
	Healed   List[Flaw]       `json:"healed"`   // were damaged, and are right again
	Damaged  List[Flaw]       `json:"damaged"`  // still
	Gone     List[Flaw]       `json:"gone"`     // were in main/ only, and have changed there since
	Edited   List[Difference] `json:"edited"`   // in main/, other than in the current release
	Missing  List[Path]       `json:"missing"`  // from main/, of the current release
}

// Flaw is something that is not as a release needs it.
type Flaw struct {
	Release int    `json:"release"` // the newest that needs it
	Path    *Path  `json:"path"`    // in that release; nil: the record or a listing of it
	File    Path   `json:"file"`    // the damaged one
	Message string `json:"message"`
}

// Difference is a path of main/ that is not as the current release has it.
type Difference struct {
	Path    Path   `json:"path"`
	Message string `json:"message"`
}

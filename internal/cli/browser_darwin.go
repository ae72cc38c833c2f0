package cli

// opener opens what follows it.
var opener = []string{"open"}

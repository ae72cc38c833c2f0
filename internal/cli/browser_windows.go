package cli

// opener opens what follows it.
var opener = []string{"rundll32", "url.dll,FileProtocolHandler"}

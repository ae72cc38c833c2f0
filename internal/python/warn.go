package python

// WarnEnv returns a sentence for everything in the program's environment that
// slows its start down or may keep it from starting.
func WarnEnv(env []string) []string {
	var sentences []string
	for _, known := range []struct{ name, sentence string }{
		{"PYTHONDONTWRITEBYTECODE", "PYTHONDONTWRITEBYTECODE is set: Python compiles every module again at every start"},
		{"PYTHONHOME", "PYTHONHOME is set: Python takes its standard library from there, and does not start if it is another version's"},
	} {
		if Variable(env, known.name) != "" {
			sentences = append(sentences, known.sentence)
		}
	}
	return sentences
}

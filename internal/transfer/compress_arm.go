package transfer

// The binary for the smallest devices has no room for a compressor, which is for
// machines where programs are developed.

func shortest(data, dictionary []byte) []byte { return compress(data, dictionary) }

func compress(data, _ []byte) []byte { return store(data) }

package transfer

// The binary for the smallest devices has no room for a compressor, which is for
// machines where programs are developed.

func compress(data, _ []byte) []byte { return store(data) }

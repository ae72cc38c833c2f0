//go:build !unix

package program

// handOver hands the stream over until its end.
func (s *stream) handOver() {
	for {
		n, err := s.out.Read(s.piece[:])
		if n > 0 {
			s.hand(n)
		}
		if err != nil {
			return
		}
	}
}

// finish does nothing: there is no limit for handOver here.
func (s *stream) finish() {}

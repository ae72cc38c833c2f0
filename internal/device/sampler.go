package device

import (
	"context"
	"sync"
	"time"
)

// Usage is what a program uses.
type Usage struct {
	At     time.Time
	Memory *int64   // bytes, resident; nil: nothing runs, or not known
	CPU    *float64 // per cent of one processor since the look before; nil: likewise
}

// Meter returns the memory of a program in bytes and the time of processors
// that it has used in all. False: nothing runs, or it is not known; the time is
// then what it was.
type Meter func() (memory int64, cpu time.Duration, ok bool)

const (
	sampleEvery = time.Minute
	sampleCount = 60
	lookEvery   = time.Second
)

// Sampler looks at what a program uses: once a minute for the past hour, and
// when somebody asks. Several goroutines may call its methods; Run is called
// once.
type Sampler struct {
	meter Meter

	mu      sync.Mutex // held by who looks
	ring    []Usage    // oldest first
	sampled look       // for the ring
	looked  look       // by anybody
	present Usage
}

// look is a moment at which the meter was read.
type look struct {
	at  time.Time
	cpu time.Duration
}

// NewSampler remembers whom to ask.
func NewSampler(meter Meter) *Sampler { return &Sampler{meter: meter} }

// Run takes a sample a minute until ctx ends. Nothing else wakes it.
func (s *Sampler) Run(ctx context.Context) {
	s.Now()
	timer := time.NewTimer(sampleEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		s.sample()
		timer.Reset(sampleEvery)
	}
}

// Now returns what is used, at most a second old.
func (s *Sampler) Now() Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.looked.at.IsZero() || time.Since(s.looked.at) >= lookEvery {
		s.present = s.look(s.looked)
		if s.sampled.at.IsZero() {
			s.sampled = s.looked
		}
	}
	return s.present
}

// Spent is the time of processors that was used in all, as of the last look.
func (s *Sampler) Spent() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.looked.cpu
}

// Samples returns those of the last hour, oldest first. Their times are by the
// present clock: it may have been set since.
func (s *Sampler) Samples() []Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	samples := make([]Usage, len(s.ring))
	for i, one := range s.ring {
		samples[i] = one
		samples[i].At = now.Add(-now.Sub(one.At))
	}
	return samples
}

func (s *Sampler) sample() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.present = s.look(s.sampled)
	s.sampled = s.looked
	if len(s.ring) == sampleCount {
		s.ring = append(s.ring[:0], s.ring[1:]...)
	}
	s.ring = append(s.ring, s.present)
}

// look reads the meter. The processors' time is compared with an earlier look;
// the clock of the difference is the one that nobody sets.
func (s *Sampler) look(before look) Usage {
	memory, cpu, ok := s.meter()
	s.looked = look{time.Now(), cpu}
	usage := Usage{At: s.looked.at}
	if !ok {
		return usage
	}
	usage.Memory = &memory
	if passed := s.looked.at.Sub(before.at); !before.at.IsZero() && passed > 0 {
		usage.CPU = new(100 * max(0, float64(cpu-before.cpu)/float64(passed)))
	}
	return usage
}

package agent

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"ota/internal/admission"
	"ota/internal/parcel"
	"ota/internal/source"
	"ota/internal/sshsig"
)

// lasting is a context that ends once it was asked this often.
type lasting struct {
	context.Context
	times int
}

func (l *lasting) Err() error {
	if l.times--; l.times < 0 {
		return context.Canceled
	}
	return nil
}

// TestJudgeEnds: a stop does not wait until a large release is read, and is no
// fault of it; one that nobody stops is read to its end.
func TestJudgeEnds(t *testing.T) {
	content := make([]byte, 4<<20)
	rand.Read(content)
	dir := t.TempDir()
	path := filepath.Join(dir, "release.ota")
	m := &parcel.Manifest{Format: 1, Kind: parcel.Whole, App: "garden", Version: "v1", Serial: 1,
		Files: []parcel.Entry{{Path: "table.bin", Mode: "0644", Size: int64(len(content)), SHA256: hexSum(content)}}}
	manifest, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	open := func(string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	if err := errors.Join(parcel.WriteArchive(file, manifest, nil, open), file.Close()); err != nil {
		t.Fatal(err)
	}
	place := folder{dir}
	house := fetches{&agent{folder: place, trust: admission.New(admission.Options{
		Signers: place.signers(), State: place.trust(), Clock: func() (none sshsig.Clock) { return none }, Current: func() (none [32]byte) { return none },
	})}}
	fetched := &source.Fetched{Path: path}
	if judged, err := house.Judge(t.Context(), fetched); err != nil || judged.Name != "v1" || judged.Refused != "" {
		t.Fatalf("%+v, %v", judged, err)
	}
	ctx := &lasting{t.Context(), 5}
	judged, err := house.Judge(ctx, fetched)
	if !errors.Is(err, context.Canceled) || judged != (source.Judged{}) || ctx.times < -5 {
		t.Errorf("%+v, %v; asked %d times after the end", judged, err, -ctx.times)
	}
}

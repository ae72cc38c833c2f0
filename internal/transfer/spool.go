package transfer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"ota/internal/kit/durable"
)

// spool is the device's folder: the stream as far as it has come, what is known
// of it, and the contents that were made from it.
type spool struct {
	folder string
	file   *os.File
	kept   kept
	name   streamName
	target Digest
	check  blockCheck
}

// kept is what the file stream.json says of the stream beside it.
type kept struct {
	Base    string `json:"base"`    // digest of the device's listing
	Attempt byte   `json:"attempt"` // as in hello
	Target  string `json:"target"`  // digest of the listing that the stream makes
	Name    string `json:"name"`    // of the stream
	Length  int64  `json:"length"`
	All     bool   `json:"all"`   // the sender knew the device's whole listing
	Known   []int  `json:"known"` // else these entries of it, by their place
}

const (
	spoolStream   = "stream"
	spoolKept     = "stream.json"
	spoolContents = "contents"
)

// openSpool goes on with what was collected for the same tree, and begins anew
// for another. What was damaged since, it cuts off.
func openSpool(folder string, base Digest, attempt byte) (*spool, error) {
	if err := os.MkdirAll(filepath.Join(folder, spoolContents), 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(folder, spoolStream), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	s := &spool{folder: folder, file: file}
	if err := s.resume(base, attempt); err != nil {
		file.Close()
		return nil, err
	}
	return s, nil
}

func (s *spool) resume(base Digest, attempt byte) error {
	err := durable.ReadJSON(filepath.Join(s.folder, spoolKept), &s.kept)
	name, notHex1 := hex.DecodeString(s.kept.Name)
	target, notHex2 := hex.DecodeString(s.kept.Target)
	if err != nil || notHex1 != nil || notHex2 != nil || s.kept.Base != hex.EncodeToString(base[:]) || s.kept.Attempt != attempt {
		// Nothing is there, or nothing that is of use here.
		s.kept = kept{Base: hex.EncodeToString(base[:]), Attempt: attempt}
		return s.truncate(0)
	}
	copy(s.name[:], name)
	copy(s.target[:], target)
	s.check = blockCheck{length: s.kept.Length}
	buffer := make([]byte, blockSize)
	for {
		n, err := s.file.Read(buffer)
		if s.check.add(buffer[:n]) != nil {
			return s.truncate(s.check.good)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// truncate cuts the stream off at a place up to which it is good.
func (s *spool) truncate(at int64) error {
	s.check = blockCheck{length: s.kept.Length, at: at, good: at}
	if err := s.file.Truncate(at); err != nil {
		return err
	}
	_, err := s.file.Seek(at, io.SeekStart)
	return err
}

// accept prepares for a new stream.
func (s *spool) accept(o offer, told []Entry, listing Listing) error {
	s.name, s.target = o.name, o.target
	s.kept.Target = hex.EncodeToString(o.target[:])
	s.kept.Name, s.kept.Length, s.kept.All = hex.EncodeToString(o.name[:]), o.length, told == nil
	s.kept.Known = nil
	places := map[string]int{}
	for i, entry := range listing {
		places[entry.Path] = i
	}
	for _, entry := range told {
		s.kept.Known = append(s.kept.Known, places[entry.Path])
	}
	text, err := durable.Lines(s.kept)
	if err := errors.Join(err, s.truncate(0), os.RemoveAll(s.contents()), os.Mkdir(s.contents(), 0o700)); err != nil {
		return fmt.Errorf("cannot keep what arrives: %w", err)
	}
	return durable.WriteFile(filepath.Join(s.folder, spoolKept), text, 0o600)
}

// take keeps every byte that comes, until the stream is whole.
func (s *spool) take(from io.Reader) error {
	buffer := make([]byte, blockSize)
	for s.check.at < s.kept.Length {
		n, err := from.Read(buffer[:min(int64(len(buffer)), s.kept.Length-s.check.at)])
		if _, err := s.file.Write(buffer[:n]); err != nil {
			return fmt.Errorf("cannot keep what arrives: %w", err)
		}
		if err := s.check.add(buffer[:n]); err != nil {
			return errors.Join(err, s.truncate(s.check.good))
		}
		if err != nil && s.check.at < s.kept.Length {
			return fmt.Errorf("%d of %d bytes are here: %w", s.check.at, s.kept.Length, cut(err))
		}
	}
	return nil
}

// known are the entries to which the stream refers.
func (s *spool) known(listing Listing) ([]Entry, error) {
	if s.kept.All {
		return listing, nil
	}
	var known []Entry
	for _, place := range s.kept.Known {
		if place < 0 || place >= len(listing) {
			return nil, fmt.Errorf("%s is damaged: there is no entry %d", filepath.Join(s.folder, spoolKept), place)
		}
		known = append(known, listing[place])
	}
	return known, nil
}

// whole is the stream from its start, if it is the one that was offered.
func (s *spool) whole() (io.Reader, error) {
	stream := io.NewSectionReader(s.file, 0, s.kept.Length)
	sum := sha256.New()
	if _, err := io.Copy(sum, stream); err != nil {
		return nil, err
	}
	if streamName(sum.Sum(nil)[:len(s.name)]) != s.name {
		return nil, protocol("the whole stream is not what its name says")
	}
	_, err := stream.Seek(0, io.SeekStart)
	return stream, err
}

func (s *spool) contents() string { return filepath.Join(s.folder, spoolContents) }

// discard removes a stream that is not what it should be, and what was made of it.
func (s *spool) discard() error {
	s.close()
	return errors.Join(durable.Remove(filepath.Join(s.folder, spoolKept)), os.Remove(filepath.Join(s.folder, spoolStream)), os.RemoveAll(s.contents()))
}

func (s *spool) close() { s.file.Close() }

// contentSink writes contents into a folder, named by their digests.
type contentSink struct {
	folder string
	file   *os.File
	sum    hash.Hash
}

func (c *contentSink) begin() (err error) {
	if c.file == nil {
		c.sum = sha256.New()
		c.file, err = os.OpenFile(filepath.Join(c.folder, "part"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	}
	return err
}

func (c *contentSink) Write(data []byte) (int, error) {
	if err := c.begin(); err != nil {
		return 0, err
	}
	c.sum.Write(data)
	return c.file.Write(data)
}

func (c *contentSink) end() (Digest, error) {
	if err := c.begin(); err != nil {
		return Digest{}, err
	}
	sum := Digest(c.sum.Sum(nil))
	err := c.file.Close()
	part := c.file.Name()
	c.file = nil
	return sum, errors.Join(err, os.Rename(part, filepath.Join(c.folder, hex.EncodeToString(sum[:]))))
}

func (c *contentSink) close() {
	if c.file != nil {
		c.file.Close()
		os.Remove(c.file.Name())
	}
}

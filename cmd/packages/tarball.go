package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
)

// writeTarball writes a .tar.gz in which all lies in one folder.
func (j job) writeTarball(path string, t target, common common, linked []module, binary []byte) error {
	files := j.unpacked(t, common, linked, binary)
	var packed bytes.Buffer
	to := tar.NewWriter(&packed)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		one := files[name]
		header := &tar.Header{
			Name:    fmt.Sprintf("ota-%s-%s/%s", j.version, t, name),
			Size:    int64(len(one.text)),
			Mode:    int64(one.mode),
			ModTime: j.at,
			Uname:   "root",
			Gname:   "root",
		}
		if err := to.WriteHeader(header); err != nil {
			return err
		}
		if _, err := to.Write(one.text); err != nil {
			return err
		}
	}
	if err := to.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, gzipped(packed.Bytes()), 0o644)
}

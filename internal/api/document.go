package api

import (
	"bytes"
	"compress/gzip"
	_ "embed" // openapi.yaml.gz
	"io"
	"net/http"
)

// document is openapi.yaml, which describes all routes (OpenAPI 3.1), compressed:
// few ever ask for it. A test writes it, with -update.
//
//go:embed openapi.yaml.gz
var document []byte

// documentRoutes tell what there is to ask for.
func (s *Server) documentRoutes() []route {
	return []route{{http.MethodGet, "/api/openapi.yaml", looking, 0, s.document}}
}

func (s *Server) document(w http.ResponseWriter, _ *http.Request) error {
	text, err := unpack(document)
	if err != nil {
		return err
	}
	write(w, "application/yaml", http.StatusOK, text)
	return nil
}

func unpack(packed []byte) ([]byte, error) {
	from, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(from)
}

package api

import (
	_ "embed" // openapi.yaml.gz
	"net/http"

	"ota/internal/kit/packed"
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
	write(w, "application/yaml", http.StatusOK, packed.Open(document))
	return nil
}

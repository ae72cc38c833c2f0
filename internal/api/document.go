package api

import (
	_ "embed" // openapi.yaml
	"net/http"
)

// document describes all routes (OpenAPI 3.1).
//
//go:embed openapi.yaml
var document []byte

// documentRoutes tell what there is to ask for.
func (s *Server) documentRoutes() []route {
	return []route{{http.MethodGet, "/api/openapi.yaml", looking, 0, s.document}}
}

func (s *Server) document(w http.ResponseWriter, _ *http.Request) error {
	write(w, "application/yaml", http.StatusOK, document)
	return nil
}

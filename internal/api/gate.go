package api

import (
	"errors"
	"net/http"
	"strings"

	"ota/internal/kit/hint"
)

// LoginLink is an address of the page that logs in once.
type LoginLink struct {
	Address string `json:"address"`
}

// IssuedToken is a new token with its secret, which is shown this once.
type IssuedToken struct {
	Name   string      `json:"name"`
	Allow  List[Right] `json:"allow"`
	Secret string      `json:"token"`
}

// NoToken is the error for a token that is not there.
type NoToken struct {
	Name string
}

// Error names it.
func (n *NoToken) Error() string { return "there is no token " + Path(n.Name).String() }

// Hint says where those that there are can be seen.
func (n *NoToken) Hint() string { return `"ota web token list" lists the tokens` }

// Unfit is the error for a value that the house does not take, such as a
// password of three letters.
type Unfit struct {
	Reason string
	Advice string // what a person can do; "": the reason says it
}

// Error says why.
func (u *Unfit) Error() string { return u.Reason }

// Hint says what a person can do.
func (u *Unfit) Hint() string { return u.Advice }

// Words are rights as a person reads them: "read, upload".
func Words(rights []Right) string {
	words := make([]string, len(rights))
	for i, right := range rights {
		words[i] = string(right)
	}
	return strings.Join(words, ", ")
}

// gateBytes is room for a password of 1,024 bytes, most of them written as
// escapes, and more than enough for a token.
const gateBytes = 4 << 10

// gateRoutes are what only who may use the control socket may ask for.
func (s *Server) gateRoutes() []route {
	return []route{
		{http.MethodGet, prefix + "/web", owning, 0, s.web},
		{http.MethodPost, prefix + "/web/link", owning, 0, s.webLink},
		{http.MethodPost, prefix + "/web/pair", owning, 0, s.pair},
		{http.MethodPost, prefix + "/web/password", owning, gateBytes, s.setPassword},
		{http.MethodGet, prefix + "/web/tokens", owning, 0, s.tokens},
		{http.MethodPost, prefix + "/web/tokens", owning, gateBytes, s.newToken},
		{http.MethodDelete, prefix + "/web/tokens/{name}", owning, 0, s.revokeToken},
		{http.MethodPost, prefix + "/web/logout", owning, 0, s.endSessions},
	}
}

func (s *Server) web(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, s.house.Web())
}

func (s *Server) webLink(w http.ResponseWriter, _ *http.Request) error {
	address, err := s.house.WebLink()
	if err != nil {
		return err
	}
	return writeJSON(w, LoginLink{address})
}

func (s *Server) pair(w http.ResponseWriter, _ *http.Request) error {
	code, err := s.house.Pair()
	if err != nil {
		return err
	}
	return writeJSON(w, code)
}

func (s *Server) setPassword(w http.ResponseWriter, r *http.Request) error {
	var asked struct {
		Password *string `json:"password"`
	}
	if err := readJSON(w, r, &asked); err != nil {
		return err
	}
	// Nothing said is not the same as an empty one, which takes it away.
	if asked.Password == nil {
		return newProblem(http.StatusBadRequest, `the body has no "password"`)
	}
	takeTime(w)
	return noContent(w, s.house.SetPassword(*asked.Password))
}

func (s *Server) tokens(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, List[Token](s.house.Tokens()))
}

func (s *Server) newToken(w http.ResponseWriter, r *http.Request) error {
	var asked struct {
		Name  string  `json:"name"`
		Allow []Right `json:"allow"`
	}
	if err := readJSON(w, r, &asked); err != nil {
		return err
	}
	secret, err := s.house.NewToken(asked.Name, asked.Allow)
	if err != nil {
		return gateProblem(err)
	}
	text, err := encode(IssuedToken{asked.Name, asked.Allow, secret})
	if err != nil {
		return err
	}
	write(w, "application/json", http.StatusCreated, text)
	return nil
}

func (s *Server) revokeToken(w http.ResponseWriter, r *http.Request) error {
	return noContent(w, s.house.RevokeToken(r.PathValue("name")))
}

func (s *Server) endSessions(w http.ResponseWriter, _ *http.Request) error {
	return noContent(w, s.house.EndSessions())
}

// noContent answers what has no answer, or says why not.
func noContent(w http.ResponseWriter, err error) error {
	if err != nil {
		return gateProblem(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// gateProblem makes those errors problems that only the gate has.
func gateProblem(err error) error {
	status := 0
	if _, ok := errors.AsType[*NoToken](err); ok {
		status = http.StatusNotFound
	} else if _, ok := errors.AsType[*Unfit](err); ok {
		status = http.StatusBadRequest
	} else {
		return err
	}
	problem := newProblem(status, err.Error())
	problem.Advice = hint.Of(err)
	return problem
}

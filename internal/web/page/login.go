package page

import "io"

// LoginView is what the page shows to somebody who is not logged in.
type LoginView struct {
	Device string // the name of the host
	// Code is that of a one-time link. It is sent by a form and not by the link
	// itself, so that nothing that only looks at links uses it up.
	Code  string
	Error string // why the last try did not log in
}

// Login writes the page on which people log in. Its form posts to /login: code,
// which is a one-time code, a pairing code or the password.
func Login(w io.Writer, v LoginView) error {
	name := v.Device
	if name == "" {
		name = "ota"
	}
	return document(w, "Log in: "+name,
		all(
			el("script", attr("src", "/login/theme.js")),
			stylesheet("/login/base.css"),
			stylesheet("/login/login.css"),
			el("script", attr("src", "/login/login.js"), attr("defer", "")),
		),
		el("main", class("login"),
			el("div", class("card"),
				el("p", class("brand"), logo(), el("span", text("ota"))),
				el("h1", text("Log in to "), el("bdi", text(name))),
				when(v.Error != "", el("p", class("note"), attr("data-tone", string(bad)), attr("role", "alert"), attr("id", "error"), text(v.Error))),
				loginForm(v),
			),
		),
	)
}

func loginForm(v LoginView) part {
	if v.Code != "" {
		return el("form", attr("id", "link"), attr("method", "post"), attr("action", "/login"),
			el("input", attr("type", "hidden"), attr("name", "code"), attr("value", v.Code)),
			el("p", class("muted"), text("This link logs in once.")),
			el("button", class("button button-main"), text("Log in")),
		)
	}
	return el("form", attr("method", "post"), attr("action", "/login"),
		// What password managers file the password under.
		el("input", attr("type", "hidden"), attr("name", "device"), attr("autocomplete", "username"), attr("value", v.Device)),
		el("label", attr("for", "code"), text("Code or password")),
		el("input", attr("id", "code"), attr("name", "code"), attr("type", "password"), attr("required", ""), attr("autofocus", ""),
			attr("autocomplete", "current-password"), attr("autocapitalize", "none"), attr("spellcheck", "false"),
			when(v.Error != "", all(attr("aria-invalid", "true"), attr("aria-describedby", "error")))),
		el("button", class("button button-main"), text("Log in")),
		el("p", class("muted small"), text("Run "), el("kbd", text("ota web")), text(" on the device for a link that logs in.")),
	)
}

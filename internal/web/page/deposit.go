package page

import (
	"strconv"

	"ota/internal/api"
)

// depositSection has three parts that live apart: the state, the files, and the
// place for uploads, which a module of its own fills.
func depositSection(v View) part {
	return el("section", class("card"), attr("id", "deposit"), attr("aria-labelledby", "deposit-title"),
		el("div", class("split"),
			el("div",
				el("div", attr("id", "deposit-body"), all(depositBody(v)...)),
				el("div", attr("id", "deposit-files"), attr("data-area", string(api.DepositArea)), depositFiles(v)),
			),
			el("div", attr("id", "upload"), attr("data-own", ""),
				el("p", class("muted"), text("Put files into deposit/ with any tool: SFTP, FTP, rsync, Samba."))),
		),
	)
}

func depositFiles(v View) part {
	if len(v.Deposit.Entries) == 0 {
		return nil
	}
	return all(browser(api.DepositArea, v.Deposit)...)
}

func depositBody(v View) []part {
	deposit := v.Status.Deposit
	state := wordsOfDeposit(deposit)
	body := []part{
		el("div", class("card-head"), heading("deposit", "Deposit"), el("div", class("actions"), depositActions(deposit.State, hasFailed(deposit.Reasons)))),
		el("p", class("state"), stateMark(state), text(" "), el("span", class("rest"), text(state.rest))),
	}
	if deposit.Doing != nil {
		body = append(body, note(notice, text(*deposit.Doing)))
	}
	if deposit.Arriving != nil {
		body = append(body, arriving(*deposit.Arriving, deposit.State != api.Empty))
	}
	advice := adviceOnDeposit(deposit.State)
	if len(deposit.Reasons) == 0 && deposit.State == api.Receiving {
		advice = "It is used as soon as it is complete and nothing changes any more."
	}
	if advice != "" {
		body = append(body, el("p", class("muted"), text(advice)))
	}
	tone := notice
	if deposit.State == api.Held {
		tone = bad
	}
	if why := v.Why; deposit.State == api.Held && why.Release != nil && why.Evidence != nil {
		body = append(body, reasonList(besideEvidence(deposit.Reasons), tone))
		return append(body, el("div", class("evidence"), all(evidenceParts(*why.Release, *why.Evidence, v)...)))
	}
	return append(body, reasonList(deposit.Reasons, tone))
}

// depositActions: what failed its trial can only be tried again; what is held by
// a check somebody may know better than the check.
func depositActions(s api.DepositState, hasFailed bool) part {
	switch s {
	case api.Receiving:
		return all(action("apply", "", "Apply now", "button button-main"), action("discard", "", "Discard …", "button"))
	case api.Deferred:
		return all(action("apply-now", "", "Apply now", "button button-main"), action("discard", "", "Discard …", "button"))
	case api.Held:
		return all(action("retry", "", "Try again", "button button-main"),
			when(!hasFailed, action("insist", "", "Apply now …", "button")), action("discard", "", "Discard …", "button"))
	}
	return nil
}

// arriving is an upload that comes through the page or the API, in words where
// the state of deposit/ does not tell.
func arriving(progress api.Progress, inWords bool) part {
	return el("div", class("arriving"),
		when(inWords, el("p", el("strong", text("Uploading")), text(" "), el("span", class("rest"), text(wordsOfProgress(progress))))),
		el("progress", attr("aria-label", "Upload"), attr("max", strconv.FormatInt(max(progress.Bytes, 1), 10)),
			attr("value", strconv.FormatInt(progress.Received, 10))),
	)
}

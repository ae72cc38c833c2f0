// A one-time link is used by this form, not by being looked at. Who has
// JavaScript need not press the button.
(() => {
  const form = document.getElementById('link');
  if (form) form.submit();
})();

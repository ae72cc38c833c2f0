// Runs before anything is drawn: says that there is JavaScript, and puts the
// colours that were chosen here in place of the system's.
(() => {
  const root = document.documentElement;
  root.classList.add('js');
  try {
    const theme = localStorage.getItem('ota-theme');
    if (theme === 'light' || theme === 'dark') root.setAttribute('data-theme', theme);
  } catch {
    // Storage may be forbidden: then it is the system's.
  }
})();

// @ts-check
// Before the first paint, so that nobody is blinded at two in the morning: the theme that was chosen.
(() => {
  try {
    const chosen = localStorage.getItem('barograph.theme');
    if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
  } catch {
    // Without storage the system's preference holds.
  }
})();

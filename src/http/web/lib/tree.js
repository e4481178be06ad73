// @ts-check
// Where the boxes of the supervision tree stand: the supervisor above its children, or to the left of
// them where there is no room.

/**
 * @param {number} children
 * @param {boolean} wide
 */
export function layout(children, wide) {
  const [boxWidth, boxHeight, gap] = [176, 66, 18];
  if (wide) {
    const width = Math.max(1, children) * (boxWidth + gap) - gap;
    const root = { x: (width - boxWidth) / 2, y: 2 };
    const boxes = Array.from({ length: children }, (_, i) => ({ x: i * (boxWidth + gap), y: 124 }));
    const wires = boxes.map(({ x }) => `M${width / 2} ${boxHeight + 2}V96H${x + boxWidth / 2}V124`);
    return { width, height: 124 + boxHeight + 2, boxWidth, boxHeight, root, boxes, wires };
  }
  const boxes = Array.from({ length: children }, (_, i) => ({ x: 40, y: 84 + i * (boxHeight + 14) }));
  const wires = boxes.map(({ y }) => `M16 ${boxHeight + 2}V${y + boxHeight / 2}H40`);
  const last = boxes[boxes.length - 1];
  return { width: 330, height: (last?.y ?? 0) + boxHeight + 4, boxWidth: 286, boxHeight, root: { x: 2, y: 2 }, boxes, wires };
}

// What browser.py tells of the page in each frame, once all are there. Folded parts are opened first.
"use strict";
function look(frame) {
    const page = frame.contentDocument, view = frame.contentWindow, all = [...page.querySelectorAll("*")];
    for (const each of page.querySelectorAll("details")) each.open = true;
    const own = each => [...each.childNodes].filter(node => node.nodeType === 3).map(node => node.data.trim()).join("");
    const written = all.filter(each => own(each) && each.checkVisibility() && !each.closest("head, title"));
    const box = each => each.getBoundingClientRect();
    const name = each => `${each.tagName} ${each.textContent.slice(0, 60)}`;
    const is_drawn = each => each instanceof view.SVGElement;
    // As it is on the screen, whatever the drawing is scaled by.
    const size = each => {
        const scale = is_drawn(each) ? each.getScreenCTM() : {a: 1, b: 0};
        return parseFloat(view.getComputedStyle(each).fontSize) * Math.hypot(scale.a, scale.b);
    };
    // WCAG 2.1, relative luminance; behind the text is white.
    const contrast = each => {
        const style = view.getComputedStyle(each), [r, g, b] = (is_drawn(each) ? style.fill : style.color).match(/[\d.]+/g).map(value => {
            const part = value / 255;
            return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 1.05 / (0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05);
    };
    const is_outside = (inner, outer) => inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1;
    const texts = [...page.querySelectorAll("svg text")], boxes = texts.map(box);
    const cover = (one, other) => one.left < other.right - 1 && other.left < one.right - 1 && one.top < other.bottom - 1 && other.top < one.bottom - 1;
    return {
        title: page.title,
        first: page.body.firstElementChild?.textContent,
        text: page.body.textContent,
        tags: [...new Set(all.map(each => each.tagName.toLowerCase()))],
        width: page.documentElement.clientWidth,
        scroll_width: page.documentElement.scrollWidth,
        wider: all.filter(each => !is_drawn(each) && !each.closest(".wide > *") && box(each).right > page.documentElement.clientWidth + 1).map(name),
        small: written.filter(each => size(each) < 11).map(name),
        faint: written.filter(each => contrast(each) < 4.5).map(name),
        untitled: [...page.querySelectorAll("svg")].filter(each => each.firstElementChild?.tagName !== "title" || !each.textContent.trim()).length,
        cut: [...page.querySelectorAll("svg text, svg circle, svg polyline, svg line")].filter(each => is_outside(box(each), box(each.ownerSVGElement))).map(name),
        covered: texts.filter((each, i) => texts.some((other, k) => k < i && other.ownerSVGElement === each.ownerSVGElement && cover(boxes[i], boxes[k]))).map(name),
        drawn: [...page.querySelectorAll("svg")].map(each => ({title: each.querySelector("title")?.textContent, circles: each.querySelectorAll("circle").length,
            lines: [...each.querySelectorAll("polyline")].map(line => [...line.points].map(point => [point.x, point.y]))})),
        tables: [...page.querySelectorAll("table")].map(table => [...table.rows].map(row => [...row.cells].map(cell => cell.textContent))),
    };
}
window.addEventListener("load", () => {
    const told = document.createElement("pre");
    told.id = "told";
    told.textContent = JSON.stringify([...document.querySelectorAll("iframe")].map(look));
    document.body.append(told);
});

/** The product's name, as messages say it. */
export const product = 'lnd';
